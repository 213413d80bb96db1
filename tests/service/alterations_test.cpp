#include "framework/service/alterations.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "framework/service/machine_document.hpp"
#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::MachineState;
using test::member;
using test::refusal;
using test::refusal_of;

class AlterationsTest : public testing::Test {
 protected:
  AlterationsTest() {
    house_.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob"}) house_.accounts.create_user(root(), name, "password-1", {});
    catalog_ = house_.catalogs.create(root(), alice().user().own_group, "c");
    other_catalog_ = house_.catalogs.create(root(), alice().user().own_group, "other");
    house_.host.facts();
    // What the tests leave half-done is for them to settle, not for the recovery's first round.
    for (int i = 0; i < 500 && house_.recovery.rounds() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    model::Machine wanted;
    wanted.name = "web";
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.cpu_count = 1;
    wanted.memory_mb = 64;
    wanted.storage = {{disk("first")}};
    id_ = house_.machines.create(alice(), wanted).id;
  }
  ~AlterationsTest() override {
    house_.catalogs.remove(root(), catalog_);
    house_.catalogs.remove(root(), other_catalog_);
  }

  Caller root() { return house_.caller("root"); }
  Caller alice() { return house_.caller("alice"); }
  Caller bob() { return house_.caller("bob"); }
  model::ResourceId disk(const std::string& label) {
    return house_.resources.create(alice(), "disk-image", alice().user().own_group, label, {{"size_mb", 1}})->id;
  }
  void share(const std::string& name, std::initializer_list<model::Permission> permissions) {
    model::Permissions set;
    for (const auto permission : permissions) set.set(permission, true);
    house_.catalogs.share(root(), catalog_, {house_.caller(name).user().own_group, set});
  }
  model::Machine row() { return *house_.inventory.picture()->machines.find(id_); }
  std::string definition() { return house_.host.domain_xml(id_); }
  Altered alter(const MachineChange& change) { return house_.alterations.alter(alice(), id_, change); }
  void run() { house_.power.change(alice(), id_, {MachineState::RUNNING, false, std::chrono::seconds(0)}); }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_, other_catalog_;
  model::MachineId id_;
};

TEST_F(AlterationsTest, EveryFieldIsChangedInTheRowAndInTheDomain) {
  MachineChange change;
  change.name = "mail";
  change.cpu_count = 2;
  change.memory_mb = 128;
  change.autostart = true;
  change.displays = std::vector<model::Display>{{"screen", 800, 600}};
  const auto altered = alter(change);
  EXPECT_EQ(altered.changes,
            (std::map<std::string, bool>{{"name", true}, {"autostart", true}, {"cpu_count", false}, {"memory_size_mb", false}, {"displays", false}}));
  EXPECT_EQ(row().name, "mail");
  EXPECT_EQ(row().cpu_count, 2);
  EXPECT_TRUE(row().altering.is_null());
  EXPECT_NE(definition().find("mail"), std::string::npos);
  EXPECT_NE(definition().find("131072"), std::string::npos) << definition();
}

TEST_F(AlterationsTest, WhatIsAsItWasIsNoChange) {
  MachineChange change;
  change.name = "web";
  change.cpu_count = 1;
  change.storage = row().storage;
  EXPECT_TRUE(alter(change).changes.empty());
  EXPECT_TRUE(alter({}).changes.empty());
}

TEST_F(AlterationsTest, AMoveNeedsToCreateInTheOtherCatalogAndToAlterAndRemoveInThisOne) {
  MachineChange move;
  move.catalog = other_catalog_;
  EXPECT_EQ(refusal([&] { house_.alterations.alter(bob(), id_, move); }), ErrorCode::machine_not_found);
  share("bob", {model::Permission::view});
  EXPECT_EQ(refusal([&] { house_.alterations.alter(bob(), id_, move); }), ErrorCode::machine_denied);
  share("bob", {model::Permission::alter});
  EXPECT_EQ(refusal([&] { house_.alterations.alter(bob(), id_, move); }), ErrorCode::machine_denied);
  share("bob", {model::Permission::alter, model::Permission::remove});
  const auto unseen = refusal_of([&] { house_.alterations.alter(bob(), id_, move); });
  EXPECT_EQ(unseen.code(), ErrorCode::catalog_not_found);
  EXPECT_EQ(member(unseen, "rid"), other_catalog_.text());
  EXPECT_EQ(alter(move).changes, (std::map<std::string, bool>{{"catalog", true}}));
  EXPECT_EQ(row().catalog, other_catalog_);
}

TEST_F(AlterationsTest, WhoAltersNeedNoRightToTheDisksThatAreThereAndOneToThoseThatCome) {
  share("bob", {model::Permission::alter});
  MachineChange bigger;
  bigger.memory_mb = 96;
  bigger.storage = row().storage;
  EXPECT_NO_THROW(house_.alterations.alter(bob(), id_, bigger));
  MachineChange more;
  more.storage = row().storage;
  more.storage->push_back({disk("foreign to bob")});
  EXPECT_EQ(refusal([&] { house_.alterations.alter(bob(), id_, more); }), ErrorCode::resource_not_found);
}

TEST_F(AlterationsTest, ADiskThatTheMachineOnlyReadsIsNotMadeWritableByWhoHasNoRightToIt) {
  MachineChange readonly;
  readonly.storage = row().storage;
  readonly.storage->push_back({disk("read"), {{"readonly", true}}});
  alter(readonly);
  share("bob", {model::Permission::alter});
  MachineChange writable;
  writable.storage = row().storage;
  writable.storage->back().options = nlohmann::json::object();
  EXPECT_EQ(refusal([&] { house_.alterations.alter(bob(), id_, writable); }), ErrorCode::resource_not_found);
  EXPECT_EQ(row().storage.back().options, readonly.storage->back().options);
  EXPECT_NO_THROW(alter(writable));
}

TEST_F(AlterationsTest, ANameThatIsTakenAndADiskThatIsInUseAreRefused) {
  auto other = row();
  other.name = "other";
  other.storage = {{disk("second")}};
  const auto id = house_.machines.create(alice(), other).id;
  MachineChange name;
  name.name = "other";
  EXPECT_EQ(member(refusal_of([&] { alter(name); }), "vmid"), id.text());
  MachineChange used;
  used.storage = other.storage;
  EXPECT_EQ(refusal([&] { alter(used); }), ErrorCode::resource_in_use);
  EXPECT_EQ(row().name, "web");
}

TEST_F(AlterationsTest, ARehearsalSaysWhatWouldChangeAndChangesNothing) {
  const auto before = row();
  const auto defined = definition();
  MachineChange change;
  change.name = "mail";
  change.cpu_count = 2;
  change.storage = std::vector<model::Attachment>{{disk("second")}};
  const auto rehearsed = house_.alterations.rehearse(alice(), id_, change);
  EXPECT_EQ(rehearsed.changes, (std::map<std::string, bool>{{"name", true}, {"cpu_count", false}, {"storage_devices", false}}));
  EXPECT_EQ(rehearsed.view.machine->name, "mail");
  EXPECT_TRUE(rehearsed.domain_xml.empty()) << "that is for members of root";
  EXPECT_NE(house_.alterations.rehearse(root(), id_, change).domain_xml.find("mail"), std::string::npos);
  EXPECT_EQ(document_of(row()), document_of(before));
  EXPECT_TRUE(row().altering.is_null());
  EXPECT_EQ(definition(), defined);
}

TEST_F(AlterationsTest, ARehearsalIsRefusedAsTheChangeWouldBe) {
  MachineChange change;
  change.cpu_count = 8;
  EXPECT_EQ(refusal([&] { house_.alterations.rehearse(bob(), id_, change); }), ErrorCode::machine_not_found);
  share("bob", {model::Permission::view});
  EXPECT_EQ(refusal([&] { house_.alterations.rehearse(bob(), id_, change); }), ErrorCode::machine_denied);
  model::Quota quota;
  quota.group = alice().user().own_group;
  quota.limits[model::kVcpus] = 4;
  house_.quotas.set(root(), quota);
  EXPECT_EQ(refusal([&] { house_.alterations.rehearse(alice(), id_, change); }), ErrorCode::quota_exceeded);
  run();
  MachineChange none;
  none.storage = std::vector<model::Attachment>{};
  EXPECT_EQ(refusal([&] { house_.alterations.rehearse(alice(), id_, none); }), ErrorCode::machine_boot_disk);
}

TEST_F(AlterationsTest, ADiskGoesAndIsFree) {
  MachineChange none;
  none.storage = std::vector<model::Attachment>{};
  const auto stid = row().storage.at(0).resource;
  EXPECT_EQ(alter(none).changes, (std::map<std::string, bool>{{"storage_devices", false}}));
  EXPECT_EQ(definition().find(stid.text()), std::string::npos);
  EXPECT_NO_THROW(house_.resources.remove(alice(), stid));
}

// libvirt's test driver plugs nothing: what it cannot do now waits for the next start, and nothing is taken out.
TEST_F(AlterationsTest, ADiskThatCannotBePluggedInComesWithTheNextStart) {
  run();
  MachineChange more;
  more.storage = row().storage;
  more.storage->push_back({disk("second")});
  const auto altered = alter(more);
  EXPECT_EQ(altered.changes, (std::map<std::string, bool>{{"storage_devices", false}}));
  EXPECT_EQ(altered.warnings.size(), 1U);
  EXPECT_EQ(row().storage.size(), 2U);
}

TEST_F(AlterationsTest, ADiskThatCannotBeTakenOutStaysAndSoDoesEverythingElse) {
  MachineChange two;
  two.storage = row().storage;
  two.storage->push_back({disk("second")});
  alter(two);
  run();
  const auto before = row();
  MachineChange change;
  change.name = "new name";
  change.storage = std::vector<model::Attachment>{before.storage.at(0)};
  const auto error = refusal_of([&] { alter(change); });
  EXPECT_EQ(error.code(), ErrorCode::machine_running);
  EXPECT_EQ(member(error, "rid"), before.storage.at(1).resource.text());
  EXPECT_EQ(document_of(row()), document_of(before));
  EXPECT_TRUE(row().altering.is_null());
  change.storage = std::vector<model::Attachment>{before.storage.at(1)};
  const auto boot = refusal_of([&] { alter(change); });
  EXPECT_EQ(boot.code(), ErrorCode::machine_boot_disk);
  EXPECT_EQ(member(boot, "rid"), before.storage.at(0).resource.text());
}

TEST_F(AlterationsTest, AMoveIsTakenBackAlthoughTheQuotaThatItLeftHasBeenTakenMeanwhile) {
  const auto before = row();
  auto wanted = before;
  wanted.catalog = house_.catalogs.create(root(), bob().user().own_group, "bob's");
  auto half = between(before, wanted);
  half.altering = {{"target", document_of(before)}};
  model::Quota quota;
  quota.group = alice().user().own_group;
  quota.limits[model::kVcpus] = 0;
  house_.inventory.change([&](Change& change) {
    change.put(half);
    change.put(quota);
  });
  house_.alterations.settle(id_);
  EXPECT_EQ(row().catalog, catalog_);
  EXPECT_TRUE(row().altering.is_null());
  EXPECT_EQ(house_.inventory.picture()->taken_by(quota.group)[model::kVcpus], 1);
}

TEST_F(AlterationsTest, AnAlterationThatWasCutShortIsTakenBack) {
  const auto before = row();
  const auto second = disk("second");
  auto half = before;
  half.name = "half";
  half.cpu_count = 4;
  half.storage.push_back({second});
  half.altering = {{"target", document_of(before)}};
  house_.inventory.change([&](Change& change) { change.put(half); });
  EXPECT_EQ(refusal([&] { house_.resources.remove(alice(), second); }), ErrorCode::resource_in_use) << "it may be in the machine";
  house_.alterations.settle(id_);
  EXPECT_EQ(document_of(row()), document_of(before));
  EXPECT_TRUE(row().altering.is_null());
  EXPECT_EQ(definition().find(second.text()), std::string::npos);
}

TEST_F(AlterationsTest, AnAlterationThatIsTakenBackDoesNotTakeANameThatSomebodyElseHasNow) {
  const auto before = row();
  auto half = before;
  half.name = "half";
  half.altering = {{"target", document_of(before)}};
  house_.inventory.change([&](Change& change) { change.put(half); });
  auto other = before;
  other.storage.clear();
  other.altering = nullptr;
  house_.machines.create(alice(), other);
  house_.alterations.settle(id_);
  EXPECT_EQ(row().name, "half");
  EXPECT_TRUE(row().altering.is_null());
}

TEST(MachineDocument, GivesBackAllThatItWasMadeOf) {
  model::Machine machine;
  machine.name = "web";
  machine.catalog = model::CatalogId::random();
  machine.cpu_count = 3;
  machine.memory_mb = 512;
  machine.displays = {{"screen", 800, 600}};
  machine.storage = {{model::ResourceId::random(), {{"boot", 1}}}};
  machine.nics = {{model::ResourceId::random()}};
  machine.parts = {{"kernel", model::ResourceId::random()}};
  machine.autostart = machine.rosetta = true;
  machine.spec = {{"cmdline", "quiet"}};
  model::Machine all, make;
  restore_all(all, document_of(machine));
  EXPECT_EQ(document_of(all), document_of(machine));
  make.name = "kept";
  restore_make(make, document_of(machine));
  EXPECT_EQ(make.name, "kept");
  EXPECT_EQ(make.spec, machine.spec);
  EXPECT_EQ(refusal([&] { restore_make(make, {{"cpu_count", 0}}); }), ErrorCode::storage_failed);
}

}  // namespace
}  // namespace velocity::service
