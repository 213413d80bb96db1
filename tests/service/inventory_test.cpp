#include "framework/service/inventory.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "framework/model/error.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::service {
namespace {

using model::Gid;
using model::MachineId;
using model::MachineState;
using model::Uid;

class InventoryTest : public testing::Test {
 protected:
  void add_user(const std::string& name) {
    inventory_.change([&](Change& change) {
      const auto gid = change.next_gid();
      const auto uid = change.next_uid();
      change.put(model::Group{gid, name});
      change.put(model::User{uid, name, "hash", gid, {gid}});
    });
  }

  test::TemporaryDirectory directory_;
  store::Database database_{directory_ / "velocity.db"};
  Inventory inventory_{database_};
};

TEST_F(InventoryTest, AChangeThatThrowsHasNotHappened) {
  EXPECT_THROW(inventory_.change([&](Change& change) {
    change.put(model::Group{change.next_gid(), "lost"});
    throw model::Error(model::ErrorCode::server_internal, "no");
  }),
               model::Error);
  EXPECT_FALSE(inventory_.picture()->group_names.find("lost"));
  add_user("found");  // and the database is ready for the next one
  EXPECT_TRUE(Inventory(database_).picture()->group_names.find("found"));
}

TEST_F(InventoryTest, NumbersAreNeverGivenTwiceNotEvenAfterARestart) {
  add_user("one");
  const auto first = *inventory_.picture()->user_names.find("one");
  inventory_.change([&](Change& change) { change.erase(first); });
  Inventory restarted(database_);
  Uid second{};
  restarted.change([&](Change& change) { second = change.next_uid(); });
  EXPECT_GT(second, first);
}

TEST_F(InventoryTest, ErasingAGroupTakesItFromMembersAndShares) {
  add_user("alice");
  const auto alice = *inventory_.picture()->user_names.find("alice");
  Gid extra{};
  const auto catalog = model::CatalogId::random();
  inventory_.change([&](Change& change) {
    extra = change.next_gid();
    change.put(model::Group{extra, "extra"});
    auto user = *change.picture().users.find(alice);
    user.groups.insert(extra);
    change.put(user);
    change.put(model::Catalog{catalog, "c", user.own_group, {{extra, model::Permissions::all()}}, model::Phase::ready});
  });
  inventory_.change([&](Change& change) { change.erase(extra); });
  for (const auto& picture : {inventory_.picture(), Inventory(database_).picture()}) {
    EXPECT_EQ(picture->users.find(alice)->groups.count(extra), 0U);
    EXPECT_TRUE(picture->catalogs.find(catalog)->shares.empty());
  }
}

TEST_F(InventoryTest, WhatTheHypervisorSaysDuringAChangeIsNotLost) {
  const auto id = MachineId::random();
  inventory_.change([&](Change& change) {
    inventory_.observe(id, {MachineState::RUNNING, "booted"});
    change.put(model::Group{change.next_gid(), "g"});
  });
  EXPECT_EQ(inventory_.picture()->runtime(id).state, MachineState::RUNNING);
}

TEST_F(InventoryTest, AGracefulStopShowsUntilTheGuestHasStopped) {
  const auto id = MachineId::random();
  inventory_.observe(id, {MachineState::RUNNING, ""});
  inventory_.set_passing(id, MachineState::STOPPING);
  inventory_.observe(id, {MachineState::RUNNING, ""});
  EXPECT_EQ(inventory_.picture()->runtime(id).state, MachineState::STOPPING);
  inventory_.observe(id, {MachineState::STOPPED, "shutdown"});
  EXPECT_EQ(inventory_.picture()->runtime(id).state, MachineState::STOPPED);
}

TEST_F(InventoryTest, WaitingEndsWhenTheStateComes) {
  const auto id = MachineId::random();
  inventory_.change([&](Change& change) {
    const auto gid = change.next_gid();
    change.put(model::Group{gid, "g"});
    model::Catalog catalog{model::CatalogId::random(), "c", gid, {}, model::Phase::ready};
    change.put(catalog);
    model::Machine machine;
    machine.id = id;
    machine.name = "m";
    machine.catalog = catalog.id;
    machine.type = "efi";
    machine.memory_mb = 1;
    change.put(machine);
  });
  std::thread guest([&] { inventory_.observe(id, {MachineState::RUNNING, ""}); });
  EXPECT_EQ(inventory_.wait_for(id, MachineState::RUNNING, std::chrono::minutes(1)).state, MachineState::RUNNING);
  guest.join();
}

}  // namespace
}  // namespace velocity::service
