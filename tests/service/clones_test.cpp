// Clones, linked clones and growth: what is allowed when, and what a crash leaves.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "framework/service/volume_use.hpp"
#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::ResourceId;
using nlohmann::json;
using test::member;
using test::refusal;
using test::refusal_of;

constexpr std::int64_t kMebibyte = 1 << 20;

class ClonesTest : public testing::Test {
 protected:
  ClonesTest() {
    house_.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob"}) house_.accounts.create_user(house_.caller("root"), name, "password-1", {});
    catalog_ = house_.catalogs.create(house_.caller("root"), group("alice"), "c");
    house_.host.facts();
  }
  ~ClonesTest() override { house_.catalogs.remove(house_.caller("root"), catalog_); }

  Caller alice() { return house_.caller("alice"); }
  model::Gid group(const std::string& name) { return house_.caller(name).user().own_group; }
  ResourceId make(const std::string& label, const json& spec) {
    return house_.resources.create(alice(), "disk-image", group("alice"), label, spec)->id;
  }
  ResourceId linked(const std::string& label, ResourceId source) { return make(label, {{"source", source.text()}, {"linked", true}}); }
  const json& spec(ResourceId id) { return house_.inventory.picture()->resources.find(id)->spec; }

  model::MachineId machine(const std::string& name, ResourceId disk, const json& options = json::object()) {
    model::Machine wanted;
    wanted.name = name;
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.cpu_count = 1;
    wanted.memory_mb = 64;
    wanted.storage = {{disk, options}};
    return house_.machines.create(alice(), wanted).id;
  }
  void start(model::MachineId id) { house_.power.change(alice(), id, {model::MachineState::RUNNING, false, std::chrono::seconds(0)}); }
  void grow(ResourceId id, std::int64_t size_mb) { house_.resource_changes.alter(alice(), id, std::nullopt, {{"size_mb", size_mb}}); }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_;
};

TEST_F(ClonesTest, AFullCloneHasTheBytesAndStandsForItself) {
  const auto source = make("s", {{"size_mb", 2}, {"format", "raw"}});
  std::fstream(house_.volumes.path(source), std::ios::in | std::ios::out) << "guest data";
  const auto clone = make("c", {{"source", source.text()}, {"size_mb", 3}});
  EXPECT_EQ(spec(clone), json({{"size_mb", 3}, {"format", "raw"}}));
  house_.resources.remove(alice(), source);
  std::string bytes(10, ' ');
  std::ifstream(house_.volumes.path(clone)).read(bytes.data(), 10);
  EXPECT_EQ(bytes, "guest data");
  EXPECT_EQ(std::filesystem::file_size(house_.volumes.path(clone)), 3U * kMebibyte);
}

TEST_F(ClonesTest, WhatAnAlterationNamesMustBeVisibleAsInACreation) {
  const auto disk = make("d", {{"size_mb", 2}});
  const auto foreign = house_.resources.create(house_.caller("bob"), "disk-image", group("bob"), "f", {{"size_mb", 2}})->id;
  for (const auto& source : {foreign, ResourceId::random()}) {
    const auto refused = refusal_of([&] { house_.resource_changes.alter(alice(), disk, std::nullopt, {{"source", source.text()}}); });
    EXPECT_EQ(refused.code(), ErrorCode::resource_not_found);
    EXPECT_EQ(member(refused, "rid"), source.text());
  }
}

TEST_F(ClonesTest, ALinkedCloneGrowsThoughItsSourceIsNotSeenAnyMore) {
  const auto foreign = house_.resources.create(house_.caller("bob"), "disk-image", group("bob"), "f", {{"size_mb", 2}})->id;
  house_.resource_shares.share(house_.caller("bob"), foreign, group("alice"), model::ResourceRight::use);
  const auto clone = linked("c", foreign);
  house_.resource_shares.revoke(house_.caller("bob"), foreign, group("alice"));
  EXPECT_NO_THROW(grow(clone, 3));
}

TEST_F(ClonesTest, ALinkedCloneKeepsItsSourceFromBeingRemovedWrittenOrGrown) {
  const auto source = make("s", {{"size_mb", 2}});
  const auto clone = linked("c", source);
  EXPECT_EQ(house_.inventory.picture()->resources.find(clone)->base, source);
  const auto removal = refusal_of([&] { house_.resources.remove(alice(), source); });
  EXPECT_EQ(removal.code(), ErrorCode::resource_in_use);
  EXPECT_EQ(member(removal, "rid"), clone.text());
  EXPECT_EQ(refusal([&] { machine("m", source); }), ErrorCode::resource_in_use);
  EXPECT_EQ(refusal([&] { grow(source, 3); }), ErrorCode::resource_in_use);
  EXPECT_NO_THROW(machine("reads", source, {{"readonly", true}}));
  EXPECT_NO_THROW(machine("writes", clone));
  EXPECT_NO_THROW(linked("another", source));
  EXPECT_NO_THROW(house_.accounts.remove_user(house_.caller("root"), alice().uid())) << "all that is linked goes with it";
  EXPECT_TRUE(house_.volumes.list().empty());
  catalog_ = house_.catalogs.create(house_.caller("root"), group("bob"), "c");
}

TEST_F(ClonesTest, ADiskThatAMachineMayWriteToIsNoSourceOfALinkedClone) {
  const auto source = make("s", {{"size_mb", 2}});
  const auto id = machine("m", source);
  const auto refused = refusal_of([&] { linked("c", source); });
  EXPECT_EQ(refused.code(), ErrorCode::resource_in_use);
  EXPECT_EQ(member(refused, "vmid"), id.text());
  EXPECT_NO_THROW(make("full", {{"source", source.text()}})) << "it is stopped";
  start(id);
  EXPECT_EQ(refusal([&] { make("running", {{"source", source.text()}}); }), ErrorCode::resource_in_use);
  EXPECT_EQ(house_.volumes.list().size(), 2U);
}

TEST_F(ClonesTest, TheDomainDeclaresTheWholeChain) {
  const auto source = make("s", {{"size_mb", 2}, {"format", "raw"}});
  const auto middle = linked("m", source);
  const auto top = linked("t", middle);
  const auto id = machine("m", top);
  const auto xml = house_.host.domain_xml(id);
  const auto at = [&](ResourceId disk) { return xml.find(house_.volumes.path(disk).string()); };
  EXPECT_LT(at(top), at(middle));
  EXPECT_LT(at(middle), at(source));
  EXPECT_NE(at(source), std::string::npos) << xml;
}

TEST_F(ClonesTest, AChainIsNoLongerThanEight) {
  auto last = make("0", {{"size_mb", 1}});
  for (int i = 1; i < 8; ++i) last = linked(std::to_string(i), last);
  EXPECT_EQ(refusal([&] { linked("8", last); }), ErrorCode::resource_linked);
  EXPECT_NO_THROW(make("full", {{"source", last.text()}}));
}

TEST_F(ClonesTest, WhatIsNotVisibleIsNoSource) {
  const auto source = make("s", {{"size_mb", 1}});
  const auto foreign = refusal_of([&] {
    house_.resources.create(house_.caller("bob"), "disk-image", group("bob"), "c", {{"source", source.text()}});
  });
  EXPECT_EQ(foreign.code(), ErrorCode::resource_not_found);
  EXPECT_EQ(member(foreign, "type"), "storage");
  EXPECT_EQ(member(foreign, "rid"), source.text());
  EXPECT_EQ(refusal([&] { make("c", {{"source", "../../etc/passwd"}}); }), ErrorCode::request_invalid);
  EXPECT_EQ(refusal([&] { make("c", {{"source", ResourceId::random().text()}}); }), ErrorCode::resource_not_found);
}

TEST_F(ClonesTest, ADiskGrowsAndIsPaidFor) {
  const auto disk = make("d", {{"size_mb", 2}});
  model::Quota quota;
  quota.group = group("alice");
  quota.limits[model::kStorageMb] = 5;
  house_.quotas.set(house_.caller("root"), quota);
  grow(disk, 4);
  EXPECT_EQ(spec(disk).at("size_mb"), 4);
  EXPECT_EQ(house_.volumes.inspect({{disk, storage::ImageFormat::qcow2}}).virtual_size, 4 * kMebibyte);
  EXPECT_EQ(refusal([&] { grow(disk, 6); }), ErrorCode::quota_exceeded);
  EXPECT_EQ(refusal([&] { grow(disk, 3); }), ErrorCode::request_invalid);
  EXPECT_EQ(refusal([&] { house_.resource_changes.alter(alice(), disk, std::nullopt, {{"format", "raw"}}); }), ErrorCode::request_invalid);
  EXPECT_EQ(refusal([&] { house_.resource_changes.alter(alice(), disk, std::nullopt, {{"path", "/etc/shadow"}}); }), ErrorCode::request_invalid);
  const auto row = house_.inventory.picture()->resources.find(disk);
  EXPECT_TRUE(row->altering.is_null());
  EXPECT_EQ(row->cost[model::kStorageMb], 4) << "a refused growth costs nothing";
  EXPECT_EQ(house_.inventory.picture()->taken_by(group("alice"))[model::kStorageMb], 4);
}

TEST_F(ClonesTest, ALabelIsChangedByWhoManagesTheDisk) {
  const auto disk = make("d", {{"size_mb", 2}});
  make("taken", {{"size_mb", 1}});
  house_.resource_changes.alter(alice(), disk, "e", json::object());
  EXPECT_EQ(house_.inventory.picture()->resources.find(disk)->label, "e");
  EXPECT_EQ(refusal([&] { house_.resource_changes.alter(alice(), disk, "taken", {{"size_mb", 3}}); }), ErrorCode::resource_label_taken);
  EXPECT_EQ(spec(disk).at("size_mb"), 2) << "nothing of it was done";
  EXPECT_NO_THROW(house_.resource_changes.alter(alice(), disk, "e", json::object()));
  EXPECT_EQ(refusal([&] { house_.resource_changes.alter(house_.caller("bob"), disk, "x", json::object()); }), ErrorCode::resource_not_found);
  house_.resource_shares.share(alice(), disk, group("bob"), model::ResourceRight::use);
  EXPECT_EQ(refusal([&] { house_.resource_changes.alter(house_.caller("bob"), disk, "x", json::object()); }), ErrorCode::resource_denied);
}

TEST_F(ClonesTest, AGrowthThatACrashInterruptedIsFinished) {
  const auto disk = make("d", {{"size_mb", 2}});
  house_.inventory.change([&](Change& change) {
    auto row = *change.picture().resources.find(disk);
    row.altering = {{"size_mb", 4}, {"format", "qcow2"}};
    change.put(row);
  });
  house_.resource_changes.finish_all();
  // The recovery of the house may have come first, and be at it still.
  for (int i = 0; i < 500 && !house_.inventory.picture()->resources.find(disk)->altering.is_null(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(spec(disk).at("size_mb"), 4);
  EXPECT_TRUE(house_.inventory.picture()->resources.find(disk)->altering.is_null());
  EXPECT_EQ(house_.volumes.inspect({{disk, storage::ImageFormat::qcow2}}).virtual_size, 4 * kMebibyte);
  EXPECT_NO_THROW(house_.resource_changes.finish_all());
}

TEST_F(ClonesTest, OnlyWhatIsWholeAndQuietIsDownloaded) {
  const auto source = make("s", {{"size_mb", 2}});
  const auto clone = linked("c", source);
  EXPECT_EQ(refusal([&] { house_.contents.open(alice(), clone); }), ErrorCode::resource_linked);
  EXPECT_NO_THROW(house_.contents.open(alice(), source));
  const auto disk = make("d", {{"size_mb", 1}, {"format", "raw"}});
  const auto content = house_.contents.open(alice(), disk);
  const auto id = machine("m", disk);
  start(id);
  const auto refused = refusal_of([&] { house_.contents.open(alice(), disk); });
  EXPECT_EQ(refused.code(), ErrorCode::resource_in_use);
  EXPECT_EQ(member(refused, "vmid"), id.text());
  std::vector<std::byte> bytes(512);
  EXPECT_EQ(refusal([&] { content->read(0, bytes); }), ErrorCode::resource_in_use) << "also in the middle";
}

TEST_F(ClonesTest, WhileTheHypervisorIsAwayTheDiskOfAMachineDoesNotGrow) {
  const auto disk = make("d", {{"size_mb", 2}}), spare = make("s", {{"size_mb", 2}});
  machine("m", disk);
  house_.inventory.lose_sight();
  EXPECT_EQ(refusal([&] { grow(disk, 4); }), ErrorCode::hypervisor_unavailable);
  EXPECT_EQ(spec(disk).at("size_mb"), 2);
  EXPECT_TRUE(house_.inventory.picture()->resources.find(disk)->altering.is_null()) << "what is refused is not made later";
  EXPECT_NO_THROW(grow(spare, 4)) << "no machine has it";
  house_.inventory.observe_all({});
  EXPECT_NO_THROW(grow(disk, 4));
}

TEST_F(ClonesTest, AMachineDoesNotStartOnADiskThatIsNotAsItWasLeft) {
  const auto base = make("b", {{"size_mb", 1}}), disk = linked("d", base);
  const auto id = machine("m", disk);
  const auto path = house_.volumes.path(base);
  std::filesystem::copy(path, directory_ / "kept");
  std::ofstream(path, std::ios::binary) << "no qcow2 at all";
  const auto refused = refusal_of([&] { start(id); });
  EXPECT_EQ(refused.code(), ErrorCode::storage_failed);
  EXPECT_EQ(member(refused, "rid"), disk.text());
  std::filesystem::copy(directory_ / "kept", path, std::filesystem::copy_options::overwrite_existing);
  EXPECT_NO_THROW(start(id));
}

}  // namespace
}  // namespace velocity::service
