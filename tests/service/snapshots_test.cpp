#include "framework/service/snapshots.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "framework/service/machine_document.hpp"
#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::Phase;
using test::refusal;

// On libvirt's test driver machines are pretended; their disks are real.
class SnapshotsTest : public testing::Test {
 protected:
  SnapshotsTest() {
    house_.accounts.create_root("root-password");
    catalog_ = house_.catalogs.create(root(), model::kRootGroup, "c");
    house_.host.facts();
    // What the tests leave half-done is for them to settle, not for the recovery's first round.
    for (int i = 0; i < 500 && house_.recovery.rounds() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    disk_ = house_.resources.create(root(), "disk-image", model::kRootGroup, "disk", {{"size_mb", 1}})->id;
    model::Machine wanted;
    wanted.name = "web";
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.cpu_count = 1;
    wanted.memory_mb = 64;
    wanted.storage = {{disk_}};
    id_ = house_.machines.create(root(), wanted).id;
  }
  ~SnapshotsTest() override { house_.catalogs.remove(root(), catalog_); }

  Caller root() { return house_.caller("root"); }
  model::Machine row() { return *house_.inventory.picture()->machines.find(id_); }
  std::size_t in_disk() { return house_.volumes.snapshots(disk_).size(); }
  std::filesystem::path variables() { return house_.blueprint.files(id_).nvram; }
  void write_variables(const std::string& text) { std::ofstream(variables()) << text; }
  std::string read_variables() {
    std::ifstream in(variables());
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // As of a running machine, in the database alone: real memory is the system tests' affair.
  model::Snapshot keep_memory(const std::string& name) {
    const model::Snapshot snapshot{model::SnapshotId::random(), id_, name, true, document_of(row()), 1, Phase::ready};
    house_.inventory.change([&](Change& change) { change.put(snapshot); });
    return snapshot;
  }
  void alter_cpus(int count) {
    MachineChange change;
    change.cpu_count = count;
    house_.alterations.alter(root(), id_, change);
  }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_;
  model::ResourceId disk_;
  model::MachineId id_;
};

TEST_F(SnapshotsTest, OneThatIsTakenIsInTheDiskAndInTheList) {
  const auto snapshot = house_.snapshots.take(root(), id_, "before");
  EXPECT_FALSE(snapshot->memory);
  EXPECT_EQ(in_disk(), 1U);
  ASSERT_EQ(house_.snapshots.list(root(), id_).size(), 1U);
  EXPECT_EQ(house_.snapshots.list(root(), id_)[0]->name, "before");
  EXPECT_EQ(refusal([&] { house_.snapshots.take(root(), id_, "before"); }), ErrorCode::snapshot_name_taken);
}

TEST_F(SnapshotsTest, GoingBackBringsTheVariablesAndWhatTheMachineWasMadeOf) {
  write_variables("old");
  house_.snapshots.take(root(), id_, "before");
  write_variables("new");
  alter_cpus(4);
  house_.snapshots.revert(root(), id_, "before");
  EXPECT_EQ(read_variables(), "old");
  EXPECT_EQ(row().cpu_count, 1);
  EXPECT_NE(house_.host.domain_xml(id_).find(">1</vcpu>"), std::string::npos);
}

TEST_F(SnapshotsTest, GoingBackToBeforeTheFirstStartForgetsTheVariables) {
  house_.snapshots.take(root(), id_, "before");
  write_variables("new");
  house_.snapshots.revert(root(), id_, "before");
  EXPECT_FALSE(std::filesystem::exists(variables()));
}

TEST_F(SnapshotsTest, OneThatIsRemovedLeavesNothing) {
  write_variables("old");
  house_.snapshots.take(root(), id_, "before");
  house_.snapshots.remove(root(), id_, "before");
  EXPECT_EQ(in_disk(), 0U);
  EXPECT_TRUE(house_.snapshots.list(root(), id_).empty());
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(variables().parent_path())) ++files;
  EXPECT_EQ(files, 1) << "the machine's own";
  EXPECT_EQ(refusal([&] { house_.snapshots.revert(root(), id_, "before"); }), ErrorCode::snapshot_not_found);
}

TEST_F(SnapshotsTest, TheyGoWithTheirMachineAndTheDiskIsCleanAgain) {
  house_.snapshots.take(root(), id_, "before");
  house_.machines.remove(root(), id_);
  EXPECT_EQ(in_disk(), 0U);
  EXPECT_EQ(house_.inventory.picture()->snapshots.size(), 0U);
}

TEST_F(SnapshotsTest, ADiskThatOneOfThemNeedsIsNotTakenAway) {
  house_.snapshots.take(root(), id_, "before");
  MachineChange none;
  none.storage = std::vector<model::Attachment>{};
  EXPECT_EQ(refusal([&] { house_.alterations.alter(root(), id_, none); }), ErrorCode::resource_in_use);
  house_.snapshots.remove(root(), id_, "before");
  EXPECT_NO_THROW(house_.alterations.alter(root(), id_, none));
}

TEST_F(SnapshotsTest, AMachineWhoseDiskIsDamagedIsRemovedWithItsSnapshots) {
  house_.snapshots.take(root(), id_, "before");
  std::ofstream(house_.volumes.path(disk_), std::ios::binary) << "no qcow2 at all";
  EXPECT_EQ(refusal([&] { house_.snapshots.revert(root(), id_, "before"); }), ErrorCode::image_corrupt);
  EXPECT_TRUE(row().altering.is_null()) << "nothing was begun";
  EXPECT_NO_THROW(house_.machines.remove(root(), id_));
  EXPECT_EQ(house_.inventory.picture()->snapshots.size(), 0U);
  EXPECT_NO_THROW(house_.resources.remove(root(), disk_));
}

TEST_F(SnapshotsTest, OneThatWasHalfTakenOrHalfRemovedIsRemoved) {
  for (const auto phase : {Phase::creating, Phase::deleting}) {
    auto half = *house_.snapshots.take(root(), id_, "half");
    half.phase = phase;
    house_.inventory.change([&](Change& change) { change.put(half); });
    EXPECT_EQ(refusal([&] { house_.snapshots.revert(root(), id_, "half"); }), ErrorCode::snapshot_not_found);
    house_.snapshots.settle(id_);
    EXPECT_EQ(in_disk(), 0U);
    EXPECT_EQ(house_.inventory.picture()->snapshots.size(), 0U);
  }
}

TEST_F(SnapshotsTest, GoingBackThatWasCutShortIsFinished) {
  write_variables("old");
  const auto snapshot = house_.snapshots.take(root(), id_, "before");
  write_variables("new");
  alter_cpus(4);
  auto half = row();
  restore_make(half, snapshot->row);
  half.altering = {{"revert", snapshot->id.text()}};
  house_.inventory.change([&](Change& change) { change.put(half); });
  house_.snapshots.settle(id_);
  EXPECT_EQ(read_variables(), "old");
  EXPECT_EQ(row().cpu_count, 1);
  EXPECT_TRUE(row().altering.is_null());
  EXPECT_NE(house_.host.domain_xml(id_).find(">1</vcpu>"), std::string::npos);
}

TEST_F(SnapshotsTest, GoingBackThatFailsLeavesTheMachineAsItIs) {
  keep_memory("memory");  // of which the hypervisor knows nothing
  alter_cpus(4);
  const auto now = document_of(row());
  EXPECT_NE(refusal([&] { house_.snapshots.revert(root(), id_, "memory"); }), ErrorCode::server_internal);
  EXPECT_EQ(document_of(row()), now);
  EXPECT_TRUE(row().altering.is_null());
  EXPECT_NE(house_.host.domain_xml(id_).find(">4</vcpu>"), std::string::npos);
  EXPECT_EQ(house_.power.change(root(), id_, {model::MachineState::RUNNING, false, std::chrono::seconds(0)}).state, model::MachineState::RUNNING);
}

TEST_F(SnapshotsTest, AMachineWithItsMemoryIsNotPutBackLaterThanItWasAskedFor) {
  const auto snapshot = keep_memory("memory");
  alter_cpus(4);
  house_.power.change(root(), id_, {model::MachineState::RUNNING, false, std::chrono::seconds(0)});
  const auto cut_short = [&](const nlohmann::json& more, bool with_before = true) {
    auto half = row();
    half.altering = {{"revert", snapshot.id.text()}};
    if (with_before) half.altering["before"] = document_of(row());
    half.altering.update(more);
    house_.inventory.change([&](Change& change) { change.put(half); });
    house_.snapshots.settle(id_);
    EXPECT_TRUE(row().altering.is_null());
    return row().cpu_count;
  };
  EXPECT_EQ(cut_short(nlohmann::json::object()), 4);
  EXPECT_EQ(cut_short(nlohmann::json::object(), false), 4) << "as an older server left it";
  EXPECT_EQ(cut_short({{"done", true}}), 1) << "the hypervisor had done it: the row follows";
}

TEST_F(SnapshotsTest, WhatHasBecomeOfADiskButItsSizeStays) {
  house_.snapshots.take(root(), id_, "small");
  house_.resource_changes.alter(root(), disk_, "other label", {{"size_mb", 3}});
  house_.accounts.create_user(root(), "alice", "password-1", {});
  house_.inventory.change([&](Change& change) {
    auto shared = *change.picture().resources.find(disk_);
    shared.shares[house_.caller("alice").user().own_group] = model::ResourceRight::use;
    change.put(shared);
  });
  house_.snapshots.revert(root(), id_, "small");
  const auto disk = house_.inventory.picture()->resources.find(disk_);
  EXPECT_EQ(disk->spec.at("size_mb"), 1);
  EXPECT_EQ(disk->cost[model::kStorageMb], 1);
  EXPECT_EQ(disk->label, "other label");
  EXPECT_EQ(disk->shares.size(), 1U);
}

TEST_F(SnapshotsTest, ADiskThatWasLargerThenMustBeWithinTheQuotaNow) {
  house_.snapshots.take(root(), id_, "small");
  house_.resource_changes.alter(root(), disk_, std::nullopt, {{"size_mb", 3}});
  house_.snapshots.take(root(), id_, "large");
  house_.snapshots.revert(root(), id_, "small");
  model::Quota quota;
  quota.group = model::kRootGroup;
  quota.limits[model::kStorageMb] = 2;
  house_.quotas.set(root(), quota);
  EXPECT_EQ(refusal([&] { house_.snapshots.revert(root(), id_, "large"); }), ErrorCode::quota_exceeded);
  EXPECT_TRUE(row().altering.is_null());
  EXPECT_EQ(house_.inventory.picture()->resources.find(disk_)->spec.at("size_mb"), 1);
}

TEST_F(SnapshotsTest, GoingBackDoesNotTakeAwayADiskThatAnotherOneNeeds) {
  house_.snapshots.take(root(), id_, "one disk");
  MachineChange two;
  two.storage = row().storage;
  two.storage->push_back({house_.resources.create(root(), "disk-image", model::kRootGroup, "second", {{"size_mb", 1}})->id});
  house_.alterations.alter(root(), id_, two);
  house_.snapshots.take(root(), id_, "two disks");
  EXPECT_EQ(refusal([&] { house_.snapshots.revert(root(), id_, "one disk"); }), ErrorCode::resource_in_use);
  EXPECT_EQ(row().storage.size(), 2U);
  house_.snapshots.remove(root(), id_, "two disks");
  house_.snapshots.revert(root(), id_, "one disk");
  EXPECT_EQ(row().storage.size(), 1U);
}

TEST_F(SnapshotsTest, AMachineWithARawDiskCannotBeKept) {
  MachineChange raw;
  raw.storage = std::vector<model::Attachment>{
      {house_.resources.create(root(), "disk-image", model::kRootGroup, "raw", {{"size_mb", 1}, {"format", "raw"}})->id}};
  house_.alterations.alter(root(), id_, raw);
  EXPECT_EQ(refusal([&] { house_.snapshots.take(root(), id_, "before"); }), ErrorCode::snapshot_impossible);
  EXPECT_TRUE(house_.snapshots.list(root(), id_).empty());
}

}  // namespace
}  // namespace velocity::service
