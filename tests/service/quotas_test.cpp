#include "framework/service/quotas.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using test::member;
using test::refusal;
using test::refusal_of;

class QuotasTest : public testing::Test {
 protected:
  QuotasTest() {
    house_.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob"}) house_.accounts.create_user(root(), name, "password-1", {});
    house_.accounts.create_user(root(), "keeper", "password-1", {model::kPoolManagers});
    catalog_ = house_.catalogs.create(root(), group("alice"), "c");
    house_.host.facts();
  }
  ~QuotasTest() override { house_.catalogs.remove(root(), catalog_); }

  Caller root() { return house_.caller("root"); }
  model::Gid group(const std::string& name) { return house_.caller(name).user().own_group; }
  void limit(model::Dimension dimension, std::int64_t value) {
    model::Quota quota{group("alice"), {}};
    quota.limits[dimension] = value;
    house_.quotas.set(house_.caller("keeper"), quota);
  }
  model::Amounts taken() { return house_.quotas.get(house_.caller("alice"), group("alice")).taken; }
  model::ResourceId disk(const std::string& label, int size_mb) {
    return house_.resources.create(house_.caller("alice"), "disk-image", group("alice"), label, {{"size_mb", size_mb}, {"format", "raw"}})->id;
  }
  model::MachineId machine(const std::string& name, int cpus, int memory) {
    model::Machine wanted;
    wanted.name = name;
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.cpu_count = cpus;
    wanted.memory_mb = memory;
    return house_.machines.create(house_.caller("alice"), wanted).id;
  }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_;
};

TEST_F(QuotasTest, WhatIsTakenIsCountedAndGivenBack) {
  const auto rid = disk("d", 10);
  const auto vmid = machine("m", 2, 128);
  EXPECT_EQ(taken(), (model::Amounts{2, 128, 10, 1}));
  house_.machines.remove(root(), vmid);
  house_.resources.remove(root(), rid);
  EXPECT_EQ(taken(), (model::Amounts{0, 0, 0, 0}));
}

TEST_F(QuotasTest, MoreThanIsLeftIsRefusedWithTheFiguresAndNothingIsMade) {
  limit(model::kStorageMb, 15);
  disk("a", 10);
  const auto error = refusal_of([&] { disk("b", 6); });
  EXPECT_EQ(error.code(), ErrorCode::quota_exceeded);
  EXPECT_EQ(member(error, "quota"), "storage_mb");
  EXPECT_EQ(member(error, "limit"), "15");
  EXPECT_EQ(member(error, "taken"), "10");
  EXPECT_EQ(member(error, "wanted"), "6");
  EXPECT_EQ(house_.volumes.list().size(), 1U);
  EXPECT_NO_THROW(disk("c", 5));
}

TEST_F(QuotasTest, EachDimensionOfAMachineIsKept) {
  for (const auto& [dimension, allowed] : {std::pair{model::kVcpus, 2}, std::pair{model::kMemoryMb, 128}, std::pair{model::kMachines, 1}}) {
    limit(dimension, allowed);
    const auto first = machine("first", 2, 128);
    EXPECT_EQ(refusal([&] { machine("second", 2, 128); }), ErrorCode::quota_exceeded) << model::kDimensions[dimension];
    house_.machines.remove(root(), first);
  }
}

TEST_F(QuotasTest, ALimitBelowWhatIsTakenStopsOnlyTakingMore) {
  const auto rid = disk("a", 10);
  limit(model::kStorageMb, 5);
  EXPECT_EQ(refusal([&] { disk("b", 1); }), ErrorCode::quota_exceeded);
  EXPECT_NO_THROW(house_.resources.remove(root(), rid));
}

TEST_F(QuotasTest, IsNeverExceededByManyAtOnce) {
  constexpr int kThreads = 64;
  limit(model::kStorageMb, 20);
  std::atomic<int> made = 0, refused = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      try {
        disk("disk " + std::to_string(i), 1);
        ++made;
      } catch (const model::Error& error) {
        if (error.code() == ErrorCode::quota_exceeded) ++refused;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(made, 20);
  EXPECT_EQ(refused, kThreads - 20);
  EXPECT_EQ(taken()[model::kStorageMb], 20);
}

TEST_F(QuotasTest, AnAnnouncedUploadIsCountedUntilItGoes) {
  constexpr std::int64_t kMebibyte = 1 << 20;
  limit(model::kStorageMb, 3);
  const auto announce = [&](const std::string& label, std::int64_t length) {
    return house_.uploads.create(house_.caller("alice"), {group("alice"), label, "raw", length});
  };
  const auto upload = announce("u", 2 * kMebibyte + 1);
  EXPECT_EQ(taken()[model::kStorageMb], 3);
  EXPECT_EQ(Inventory(house_.database).picture()->taken_by(group("alice"))[model::kStorageMb], 3) << "after a restart too";
  EXPECT_EQ(refusal([&] { announce("v", 1); }), ErrorCode::quota_exceeded);
  EXPECT_EQ(refusal([&] { disk("d", 1); }), ErrorCode::quota_exceeded);
  house_.uploads.remove(house_.caller("alice"), upload.id);
  EXPECT_EQ(taken()[model::kStorageMb], 0);
  EXPECT_NO_THROW(disk("d", 3));
}

TEST_F(QuotasTest, AnUploadThatBecomesADiskTakesNoMoreForIt) {
  limit(model::kStorageMb, 1);
  const auto upload = house_.uploads.create(house_.caller("alice"), {group("alice"), "u", "raw", 1 << 20});
  auto writer = house_.uploads.open(house_.caller("alice"), upload.id, 0);
  writer->append(std::vector<std::byte>(1 << 20, std::byte{1}));
  EXPECT_NO_THROW(writer->finish());
  EXPECT_EQ(taken()[model::kStorageMb], 1);
}

TEST_F(QuotasTest, IsNeverExceededByManyAnnouncementsAtOnce) {
  constexpr int kThreads = 64;
  limit(model::kStorageMb, 20);
  std::atomic<int> made = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      try {
        house_.uploads.create(house_.caller("alice"), {group("alice"), "upload " + std::to_string(i), "raw", 1 << 20});
        ++made;
      } catch (const model::Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::quota_exceeded);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(made, 20);
  EXPECT_EQ(taken()[model::kStorageMb], 20);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(house_.state.incoming()), {}), 20) << "of what is refused nothing stays";
}

TEST_F(QuotasTest, IsSetByPoolManagersAloneAndSeenByTheGroup) {
  EXPECT_EQ(refusal([&] { house_.quotas.set(house_.caller("alice"), {group("alice"), {}}); }), ErrorCode::quota_denied);
  EXPECT_EQ(refusal([&] { house_.quotas.set(house_.caller("alice"), {model::Gid{9999}, {}}); }), ErrorCode::quota_denied);
  EXPECT_EQ(refusal([&] { house_.quotas.get(house_.caller("bob"), group("alice")); }), ErrorCode::group_not_found);
  EXPECT_EQ(refusal([&] { house_.quotas.set(house_.caller("keeper"), {model::Gid{9999}, {}}); }), ErrorCode::group_not_found);
  EXPECT_NO_THROW(house_.quotas.get(house_.caller("keeper"), group("alice")));
}

TEST_F(QuotasTest, WhatIsTakenIsTheSameAfterARestart) {
  disk("d", 10);
  const auto before = taken();
  const Inventory again(house_.database);
  EXPECT_EQ(again.picture()->taken_by(group("alice")), before);
}

}  // namespace
}  // namespace velocity::service
