#include "framework/service/machines.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::MachineState;
using test::member;
using test::refusal;
using test::refusal_of;

class MachinesTest : public testing::Test {
 protected:
  MachinesTest() {
    house_.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob"}) house_.accounts.create_user(root(), name, "password-1", {});
    catalog_ = house_.catalogs.create(root(), house_.caller("alice").user().own_group, "c");
    house_.host.facts();
  }
  // Every host of test:///default in one process has the same domains.
  ~MachinesTest() override { house_.catalogs.remove(root(), catalog_); }

  Caller root() { return house_.caller("root"); }
  Caller alice() { return house_.caller("alice"); }
  Caller bob() { return house_.caller("bob"); }

  model::Machine wanted(const std::string& name) const {
    model::Machine machine;
    machine.name = name;
    machine.catalog = catalog_;
    machine.type = "efi";
    machine.cpu_count = 1;
    machine.memory_mb = 64;
    return machine;
  }
  model::ResourceId disk(const std::string& label) {
    return house_.resources.create(alice(), "disk-image", alice().user().own_group, label, {{"size_mb", 1}})->id;
  }
  void share(const std::string& name, std::initializer_list<model::Permission> permissions) {
    model::Permissions set;
    for (const auto permission : permissions) set.set(permission, true);
    house_.catalogs.share(root(), catalog_, {house_.caller(name).user().own_group, set});
  }
  StateAnswer change(const Caller& caller, model::MachineId id, MachineState target, bool force = false) {
    return house_.power.change(caller, id, {target, force, std::chrono::seconds(0)});
  }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_;
};

TEST_F(MachinesTest, ANewMachineIsStoppedAndThere) {
  const auto id = house_.machines.create(alice(), wanted("web")).id;
  EXPECT_EQ(house_.machines.state(alice(), id).state, MachineState::STOPPED);
  EXPECT_EQ(house_.machines.get(alice(), id).machine->name, "web");
  EXPECT_NE(house_.host.domain_xml(id).find("web"), std::string::npos);
}

TEST_F(MachinesTest, TheSameNameInTheSameCatalogIsAConflictThatNamesTheOther) {
  const auto id = house_.machines.create(alice(), wanted("web")).id;
  const auto error = refusal_of([&] { house_.machines.create(alice(), wanted("web")); });
  EXPECT_EQ(error.code(), ErrorCode::machine_name_taken);
  EXPECT_EQ(member(error, "vmid"), id.text());
}

TEST_F(MachinesTest, AForeignDiskAndAnAbsentOneAreTheSeedsNotFoundInTheSameWords) {
  share("bob", {model::Permission::create});
  const auto foreign = disk("d");
  const auto absent = model::ResourceId::random();
  for (const auto& id : {foreign, absent}) {
    auto machine = wanted("web");
    machine.storage = {{id}};
    const auto error = refusal_of([&] { house_.machines.create(bob(), machine); });
    EXPECT_EQ(error.code(), ErrorCode::resource_not_found);
    EXPECT_EQ(member(error, "type"), "storage");
    EXPECT_EQ(member(error, "rid"), id.text());
  }
}

TEST_F(MachinesTest, ADiskThatIsWrittenBelongsToOneMachine) {
  auto first = wanted("first");
  first.storage = {{disk("d")}};
  const auto id = house_.machines.create(alice(), first).id;
  auto second = wanted("second");
  second.storage = first.storage;
  const auto error = refusal_of([&] { house_.machines.create(alice(), second); });
  EXPECT_EQ(error.code(), ErrorCode::resource_in_use);
  EXPECT_EQ(member(error, "vmid"), id.text());
  EXPECT_EQ(refusal([&] { house_.resources.remove(alice(), first.storage[0].resource); }), ErrorCode::resource_in_use);
}

TEST_F(MachinesTest, ADiskThatIsOnlyReadMayBelongToMany) {
  auto first = wanted("first");
  first.storage = {{disk("d"), {{"readonly", true}}}};
  auto second = first;
  second.name = "second";
  EXPECT_NO_THROW(house_.machines.create(alice(), first));
  EXPECT_NO_THROW(house_.machines.create(alice(), second));
}

TEST_F(MachinesTest, WhatIsWrongWithADevicesOptionsIsReportedWhereItStandsInTheRequest) {
  auto machine = wanted("web");
  machine.storage = {{disk("a")}, {disk("b"), {{"bus", "ide"}}}};
  const auto odd_bus = refusal_of([&] { house_.machines.create(alice(), machine); });
  ASSERT_EQ(odd_bus.problems().size(), 1U);
  EXPECT_EQ(odd_bus.problems()[0].path, "/storage_devices/1/bus");
  machine.storage[0].options = {{"boot", 1}};
  machine.storage[1].options = {{"boot", 1}};
  const auto same_place = refusal_of([&] { house_.machines.create(alice(), machine); });
  ASSERT_EQ(same_place.problems().size(), 1U);
  EXPECT_EQ(same_place.problems()[0].path, "/storage_devices/1/boot");
}

TEST_F(MachinesTest, EveryPossibleTransitionHappensAndEveryOtherIsRefusedWithBothStates) {
  const auto id = house_.machines.create(alice(), wanted("web")).id;
  EXPECT_TRUE(change(alice(), id, MachineState::STOPPED).already);
  const auto error = refusal_of([&] { change(alice(), id, MachineState::PAUSED); });
  EXPECT_EQ(error.code(), ErrorCode::machine_state_impossible);
  EXPECT_EQ(member(error, "req_state"), "PAUSED");
  EXPECT_EQ(member(error, "cur_state"), "STOPPED");
  EXPECT_EQ(change(alice(), id, MachineState::RUNNING).state, MachineState::RUNNING);
  EXPECT_TRUE(change(alice(), id, MachineState::RUNNING).already);
  EXPECT_EQ(change(alice(), id, MachineState::PAUSED).state, MachineState::PAUSED);
  EXPECT_EQ(refusal([&] { change(alice(), id, MachineState::STOPPED); }), ErrorCode::machine_state_impossible);
  EXPECT_EQ(change(alice(), id, MachineState::RUNNING).state, MachineState::RUNNING);
  EXPECT_EQ(change(alice(), id, MachineState::STOPPED, true).state, MachineState::STOPPED);
}

TEST_F(MachinesTest, EachPermissionOpensItsOwnDoorOnly) {
  const auto id = house_.machines.create(alice(), wanted("web")).id;
  EXPECT_EQ(refusal([&] { house_.machines.state(bob(), id); }), ErrorCode::machine_not_found);
  share("bob", {model::Permission::view});
  EXPECT_NO_THROW(house_.machines.get(bob(), id));
  EXPECT_EQ(refusal([&] { change(bob(), id, MachineState::RUNNING); }), ErrorCode::machine_denied);
  EXPECT_EQ(refusal([&] { house_.machines.remove(bob(), id); }), ErrorCode::machine_denied);
  EXPECT_EQ(refusal([&] { house_.machines.console_log(bob(), id, 10); }), ErrorCode::machine_denied);
  EXPECT_EQ(refusal([&] { house_.machines.create(bob(), wanted("other")); }), ErrorCode::catalog_denied);
  share("bob", {model::Permission::state});
  EXPECT_NO_THROW(change(bob(), id, MachineState::RUNNING));
  EXPECT_EQ(refusal([&] { house_.machines.get(bob(), id); }), ErrorCode::machine_denied);
}

TEST_F(MachinesTest, RemovingTakesARunningMachineAndLeavesItsDisk) {
  auto machine = wanted("web");
  machine.storage = {{disk("d")}};
  const auto id = house_.machines.create(alice(), machine).id;
  change(alice(), id, MachineState::RUNNING);
  house_.machines.remove(alice(), id);
  EXPECT_EQ(refusal([&] { house_.machines.state(alice(), id); }), ErrorCode::machine_not_found);
  EXPECT_EQ(refusal([&] { house_.host.domain_xml(id); }), ErrorCode::hypervisor_not_found);
  EXPECT_NO_THROW(house_.resources.get(alice(), machine.storage[0].resource));
}

TEST_F(MachinesTest, ACatalogRemovedWhileMachinesAreMadeInItTakesThemAllAlong) {
  for (int round = 0; round < 20; ++round) {
    const auto doomed = house_.catalogs.create(root(), alice().user().own_group, "doomed");
    std::thread maker([&] {
      for (int i = 0; i < 5; ++i) {
        auto machine = wanted("m" + std::to_string(i));
        machine.catalog = doomed;
        try {
          house_.machines.create(alice(), machine);
        } catch (const model::Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::catalog_not_found);
        }
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    house_.catalogs.remove(root(), doomed);
    maker.join();
    house_.removal.carry_out(house_.removal.left_over());  // what the recovery does next
    const auto picture = house_.inventory.picture();
    EXPECT_FALSE(picture->catalogs.find(doomed));
    EXPECT_EQ(picture->machines.size(), 0U);
  }
}

TEST_F(MachinesTest, PagesCoverEveryMachineOnce) {
  for (int i = 0; i < 7; ++i) house_.machines.create(alice(), wanted("m" + std::to_string(i)));
  MachineFilter filter;
  filter.limit = 3;
  std::set<model::MachineId> seen;
  for (int page = 0; page < 4; ++page) {
    const auto result = house_.machines.list(alice(), filter);
    for (const auto& view : result.machines) EXPECT_TRUE(seen.insert(view.machine->id).second);
    if (!result.next) break;
    filter.after = result.next;
  }
  EXPECT_EQ(seen.size(), 7U);
  EXPECT_TRUE(house_.machines.list(bob(), {}).machines.empty());
}

TEST_F(MachinesTest, RosettaIsAWarningHere) {
  auto machine = wanted("web");
  machine.rosetta = true;
  EXPECT_EQ(house_.machines.create(alice(), machine).warnings.size(), 1U);
}

TEST_F(MachinesTest, ADomainThatVanishedIsDefinedAgainAtTheNextConnect) {
  const auto id = house_.machines.create(alice(), wanted("web")).id;
  house_.host.undefine(id);
  house_.observer.connected({});
  for (int i = 0; i < 500; ++i) {
    try {
      house_.host.domain_xml(id);
      return;
    } catch (const model::Error&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  ADD_FAILURE() << "the domain did not come back";
}

// The counters also move for other reasons (the host is listed again after a connect), so one quiet round is asked for: a read that
// called the hypervisor, ran a program or asked the database would never have one.
TEST_F(MachinesTest, ReadsOfAThousandMachinesCallNothing) {
  constexpr int kMachines = 1000;
  model::MachineId last;
  for (int i = 0; i < kMachines; ++i) last = house_.machines.create(alice(), wanted("m" + std::to_string(i))).id;
  const auto counters = [&] { return house_.host.calls() + house_.database.statements() + house_.volumes.processes(); };
  bool quiet = false;
  for (int round = 0; round < 50 && !quiet; ++round) {
    const auto before = counters();
    EXPECT_EQ(house_.machines.state(alice(), last).state, MachineState::STOPPED);
    EXPECT_EQ(house_.machines.get(alice(), last).machine->id, last);
    EXPECT_EQ(house_.machines.list(alice(), {}).machines.size(), static_cast<std::size_t>(kMachines));
    EXPECT_EQ(house_.catalogs.list(alice()).at(0).machines, static_cast<std::size_t>(kMachines));
    quiet = counters() == before;
    if (!quiet) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(quiet);
}

TEST_F(MachinesTest, WhatItsTypeWantsMadeIsMadeBeforeItStartsAndGoesWithIt) {
  auto machine = wanted("cloud");
  machine.spec = {{"cloud_init", {{"user_data", "#cloud-config\n"}}}};
  const auto id = house_.machines.create(alice(), machine).id;
  const auto seed = house_.state.machines() / id.text() / "seed.iso";
  EXPECT_FALSE(std::filesystem::exists(seed));
  change(alice(), id, MachineState::RUNNING);
  EXPECT_EQ(std::filesystem::status(seed).permissions(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  change(alice(), id, MachineState::STOPPED, true);
  std::filesystem::remove(seed);
  change(alice(), id, MachineState::RUNNING);
  EXPECT_TRUE(std::filesystem::exists(seed));
  house_.machines.remove(alice(), id);
  EXPECT_FALSE(std::filesystem::exists(seed.parent_path()));
}

TEST_F(MachinesTest, ConfidentialFieldsAreShownToThoseWhoMayAlterIt) {
  auto machine = wanted("cloud");
  machine.spec = {{"cloud_init", {{"user_data", "secret"}}}};
  const auto id = house_.machines.create(alice(), machine).id;
  const auto shown = [&](const Caller& caller) {
    const bool alone = house_.machines.get(caller, id).machine->spec.contains("cloud_init");
    EXPECT_EQ(house_.machines.list(caller, {}).machines.at(0).machine->spec.contains("cloud_init"), alone);
    return alone;
  };
  EXPECT_TRUE(shown(alice()));
  share("bob", {model::Permission::view, model::Permission::create, model::Permission::state});
  EXPECT_FALSE(shown(bob()));
  share("bob", {model::Permission::view, model::Permission::alter});
  EXPECT_TRUE(shown(bob()));
}

TEST_F(MachinesTest, ACloneHasNoSecretsThatItsMakerMayNotSee) {
  auto machine = wanted("cloud");
  machine.spec = {{"cloud_init", {{"user_data", "secret"}}}};
  const auto id = house_.machines.create(alice(), machine).id;
  share("bob", {model::Permission::view});
  const auto own = house_.catalogs.create(root(), bob().user().own_group, "bob's");
  const auto has_secret = [&](const Caller& caller, model::CatalogId catalog) {
    const auto clone = house_.clones.clone(caller, {id, "copy", catalog, false}).id;
    return house_.machines.get(caller, clone).machine->spec.contains("cloud_init");
  };
  EXPECT_FALSE(has_secret(bob(), own));
  EXPECT_TRUE(has_secret(alice(), catalog_));
  house_.catalogs.remove(root(), own);
}

TEST_F(MachinesTest, AMachineWhosePluginIsGoneDoesNotStartAndIsStoppedAndRemoved) {
  const auto id = house_.machines.create(alice(), wanted("web")).id;
  change(alice(), id, MachineState::RUNNING);
  house_.inventory.change([&](Change& edit) {
    auto row = *edit.picture().machines.find(id);
    row.type = "lost";
    row.plugin = "lost-plugin";
    edit.put(row);
  });
  EXPECT_FALSE(house_.machines.get(alice(), id).available);
  EXPECT_EQ(change(alice(), id, MachineState::STOPPED, true).state, MachineState::STOPPED);
  for (const bool force : {false, true}) {
    const auto refused = refusal_of([&] { change(alice(), id, MachineState::RUNNING, force); });
    EXPECT_EQ(refused.code(), ErrorCode::type_unavailable);
    EXPECT_EQ(member(refused, "plugin"), "lost-plugin");
  }
  EXPECT_EQ(house_.machines.state(alice(), id).state, MachineState::STOPPED);
  EXPECT_NO_THROW(house_.machines.remove(alice(), id));
}

}  // namespace
}  // namespace velocity::service
