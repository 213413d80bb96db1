#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "framework/service/clones.hpp"
#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::MachineState;
using test::member;
using test::refusal;
using test::refusal_of;

class MachineClonesTest : public testing::Test {
 protected:
  MachineClonesTest() {
    house_.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob"}) house_.accounts.create_user(root(), name, "password-1", {});
    catalog_ = house_.catalogs.create(root(), alice().user().own_group, "c");
    house_.host.facts();
    for (int i = 0; i < 500 && house_.recovery.rounds() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    disk_ = house_.resources.create(alice(), "disk-image", alice().user().own_group, "disk", {{"size_mb", 1}})->id;
  }
  ~MachineClonesTest() override { house_.catalogs.remove(root(), catalog_); }

  Caller root() { return house_.caller("root"); }
  Caller alice() { return house_.caller("alice"); }
  Caller bob() { return house_.caller("bob"); }
  model::MachineId make(nlohmann::json options = nlohmann::json::object()) {
    model::Machine wanted;
    wanted.name = "web";
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.cpu_count = 2;
    wanted.memory_mb = 64;
    wanted.autostart = true;
    wanted.storage = {{disk_, std::move(options)}};
    return house_.machines.create(alice(), wanted).id;
  }
  CloneWish wish(model::MachineId source, bool linked = false) { return {source, "copy", catalog_, linked}; }
  model::Machine row(model::MachineId id) { return *house_.inventory.picture()->machines.find(id); }
  std::size_t resources() { return house_.inventory.picture()->resources.size(); }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_;
  model::ResourceId disk_;
};

TEST_F(MachineClonesTest, ACloneHasItsOwnDiskAndVariablesAndDoesNotStartByItself) {
  const auto source = make();
  std::ofstream(house_.blueprint.files(source).nvram) << "variables";
  const auto id = house_.clones.clone(alice(), wish(source)).id;
  const auto copy = row(id);
  EXPECT_EQ(copy.name, "copy");
  EXPECT_EQ(copy.cpu_count, 2);
  EXPECT_FALSE(copy.autostart);
  EXPECT_TRUE(copy.altering.is_null());
  ASSERT_EQ(copy.storage.size(), 1U);
  EXPECT_NE(copy.storage[0].resource, disk_);
  EXPECT_TRUE(house_.volumes.exists(copy.storage[0].resource));
  EXPECT_TRUE(std::filesystem::exists(house_.blueprint.files(id).nvram));
  EXPECT_NE(house_.host.domain_xml(id).find(copy.storage[0].resource.text()), std::string::npos);
}

TEST_F(MachineClonesTest, ALinkedCloneOfATemplateHoldsOnlyWhatDiffersAndIsWritten) {
  const auto copy = row(house_.clones.clone(alice(), wish(make({{"readonly", true}}), true)).id);
  ASSERT_EQ(copy.storage.size(), 1U);
  EXPECT_FALSE(copy.storage[0].options.contains("readonly"));
  EXPECT_EQ(house_.inventory.picture()->resources.find(copy.storage[0].resource)->base, disk_);
}

TEST_F(MachineClonesTest, ALinkedCloneOfADiskThatIsWrittenIsRefusedAndLeavesNothing) {
  const auto source = make();
  const auto before = resources();
  EXPECT_EQ(refusal([&] { house_.clones.clone(alice(), wish(source, true)); }), ErrorCode::resource_in_use);
  EXPECT_EQ(resources(), before);
  EXPECT_EQ(house_.inventory.picture()->machines.size(), 1U);
}

TEST_F(MachineClonesTest, ARunningMachineIsNotCloned) {
  const auto source = make();
  house_.power.change(alice(), source, {MachineState::RUNNING, false, std::chrono::seconds(0)});
  EXPECT_EQ(member(refusal_of([&] { house_.clones.clone(alice(), wish(source)); }), "vmid"), source.text());
  EXPECT_EQ(refusal([&] { house_.clones.clone(alice(), wish(source)); }), ErrorCode::machine_running);
}

TEST_F(MachineClonesTest, WhoClonesNeedsToSeeTheMachineAndItsDiskAndToCreate) {
  const auto source = make();
  EXPECT_EQ(refusal([&] { house_.clones.clone(bob(), wish(source)); }), ErrorCode::machine_not_found);
  model::Permissions view;
  view.set(model::Permission::view, true);
  const auto share = [&] { house_.catalogs.share(root(), catalog_, {bob().user().own_group, view}); };
  share();
  EXPECT_EQ(refusal([&] { house_.clones.clone(bob(), wish(source)); }), ErrorCode::catalog_denied);
  view.set(model::Permission::create, true);
  share();
  EXPECT_EQ(refusal([&] { house_.clones.clone(bob(), wish(source)); }), ErrorCode::resource_not_found) << "what is in the disk is not his to see";
  EXPECT_EQ(house_.inventory.picture()->machines.size(), 1U);
}

TEST_F(MachineClonesTest, ACloneThatWasCutShortIsTakenBackWithItsDisks) {
  const auto source = make();
  const auto made = house_.resources.create(alice(), "disk-image", alice().user().own_group, "made for the clone", {{"size_mb", 1}})->id;
  auto half = row(source);
  half.id = model::MachineId::random();
  half.name = "half";
  half.storage.clear();
  half.phase = model::Phase::creating;
  half.altering = {{"disks", nlohmann::json::array({made.text(), model::ResourceId::random().text()})}};
  house_.inventory.change([&](Change& change) { change.put(half); });
  house_.clones.settle(half.id);
  house_.removal.carry_out(house_.removal.left_over());
  EXPECT_FALSE(house_.inventory.picture()->resources.find(made));
  EXPECT_FALSE(house_.inventory.picture()->machines.find(half.id));
  EXPECT_FALSE(house_.volumes.exists(made));
}

TEST(MachineClones, WhatWasMadeForACloneThatWasCutShortGoesAlsoWhileTheHypervisorIsAway) {
  const test::TemporaryDirectory directory;
  model::ResourceId made;
  {
    test::House house(directory / "state");
    house.accounts.create_root("root-password");
    house.host.facts();
    for (int i = 0; i < 500 && house.recovery.rounds() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    made = house.resources.create(house.caller("root"), "disk-image", model::kRootGroup, "made for the clone", {{"size_mb", 1}})->id;
    model::Machine half;
    half.id = model::MachineId::random();
    half.name = "half";
    half.catalog = house.catalogs.create(house.caller("root"), model::kRootGroup, "c");
    half.type = "efi";
    half.memory_mb = 64;
    half.phase = model::Phase::creating;
    half.altering = {{"disks", nlohmann::json::array({made.text()})}};
    house.inventory.change([&](Change& change) { change.put(half); });
  }
  const test::House away(directory / "state", "qemu+unix:///system?socket=/nonexistent/libvirt-sock");
  for (int i = 0; i < 1000 && away.inventory.picture()->resources.find(made); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(away.inventory.picture()->resources.find(made));
  EXPECT_FALSE(away.volumes.exists(made));
  EXPECT_EQ(away.host.connected(), false);
}

TEST_F(MachineClonesTest, ARehearsalNamesTheDisksThatWouldBeMadeAndMakesNothing) {
  const auto source = make();
  const auto before = resources();
  const auto rehearsed = house_.clones.rehearse(alice(), wish(source));
  EXPECT_EQ(rehearsed.machine.machine.machine->name, "copy");
  EXPECT_TRUE(rehearsed.machine.machine.machine->storage.empty());
  EXPECT_TRUE(rehearsed.machine.domain_xml.empty()) << "that is for members of root";
  ASSERT_EQ(rehearsed.disks.size(), 1U);
  EXPECT_EQ(rehearsed.disks[0].resource->label, "copy disk 1");
  EXPECT_NE(house_.clones.rehearse(root(), wish(source)).machine.domain_xml.find("copy"), std::string::npos);
  EXPECT_EQ(resources(), before);
  EXPECT_EQ(house_.inventory.picture()->machines.size(), 1U);
  EXPECT_EQ(house_.volumes.list().size(), 1U);
}

TEST_F(MachineClonesTest, ARehearsalIsRefusedAsTheCloneWouldBe) {
  const auto source = make();
  EXPECT_EQ(refusal([&] { house_.clones.rehearse(bob(), wish(source)); }), ErrorCode::machine_not_found);
  EXPECT_EQ(refusal([&] { house_.clones.rehearse(alice(), wish(source, true)); }), ErrorCode::resource_in_use) << "the source writes it";
  EXPECT_EQ(refusal([&] { house_.clones.rehearse(alice(), {source, "web", catalog_, false}); }), ErrorCode::machine_name_taken);
  model::Quota quota;
  quota.group = alice().user().own_group;
  quota.limits[model::kStorageMb] = 1;
  house_.quotas.set(root(), quota);
  EXPECT_EQ(refusal([&] { house_.clones.rehearse(alice(), wish(source)); }), ErrorCode::quota_exceeded);
  house_.power.change(alice(), source, {MachineState::RUNNING, false, std::chrono::seconds(0)});
  EXPECT_EQ(refusal([&] { house_.clones.rehearse(alice(), wish(source)); }), ErrorCode::machine_running);
}

TEST_F(MachineClonesTest, ARehearsalAddsUpWhatAllDisksTake) {
  const auto second = house_.resources.create(alice(), "disk-image", alice().user().own_group, "second", {{"size_mb", 1}})->id;
  const auto source = make();
  MachineChange both;
  both.storage = row(source).storage;
  both.storage->push_back({second, nlohmann::json::object()});
  house_.alterations.alter(alice(), source, both);
  model::Quota quota;
  quota.group = alice().user().own_group;
  quota.limits[model::kStorageMb] = 3;
  house_.quotas.set(root(), quota);
  EXPECT_EQ(refusal([&] { house_.clones.rehearse(alice(), wish(source)); }), ErrorCode::quota_exceeded) << "each alone would fit";
}

}  // namespace
}  // namespace velocity::service
