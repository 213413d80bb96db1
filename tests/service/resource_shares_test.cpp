#include "framework/service/resource_shares.hpp"

#include <gtest/gtest.h>

#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::ResourceRight;
using test::refusal;

class ResourceSharesTest : public testing::Test {
 protected:
  ResourceSharesTest() {
    house_.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob", "carol"}) house_.accounts.create_user(house_.caller("root"), name, "password-1", {});
    house_.host.facts();
    disk_ = house_.resources.create(alice(), "disk-image", group("alice"), "d", {{"size_mb", 1}})->id;
  }
  Caller alice() { return house_.caller("alice"); }
  Caller bob() { return house_.caller("bob"); }
  model::Gid group(const std::string& name) { return house_.caller(name).user().own_group; }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::ResourceId disk_;
};

TEST_F(ResourceSharesTest, WhoMayUseItSeesItAndChangesNothing) {
  EXPECT_EQ(refusal([&] { house_.resources.get(bob(), disk_); }), ErrorCode::resource_not_found);
  house_.resource_shares.share(alice(), disk_, group("bob"), ResourceRight::use);
  EXPECT_NO_THROW(house_.resources.get(bob(), disk_));
  EXPECT_EQ(house_.resources.list(bob(), {}).size(), 1U);
  EXPECT_EQ(refusal([&] { house_.resources.remove(bob(), disk_); }), ErrorCode::resource_denied);
  EXPECT_EQ(refusal([&] { house_.resource_shares.list(bob(), disk_); }), ErrorCode::resource_denied);
  EXPECT_EQ(refusal([&] { house_.resource_shares.share(bob(), disk_, group("carol"), ResourceRight::use); }), ErrorCode::resource_denied);
}

TEST_F(ResourceSharesTest, WhoMayManageItLendsItOnAndRemovesIt) {
  house_.resource_shares.share(alice(), disk_, group("bob"), ResourceRight::manage);
  EXPECT_NO_THROW(house_.resource_shares.share(bob(), disk_, group("carol"), ResourceRight::use));
  EXPECT_EQ(house_.resource_shares.list(alice(), disk_).size(), 2U);
  EXPECT_NO_THROW(house_.resources.remove(bob(), disk_));
}

TEST_F(ResourceSharesTest, AShareTakenAwayIsGoneAtOnce) {
  house_.resource_shares.share(alice(), disk_, group("bob"), ResourceRight::use);
  house_.resource_shares.revoke(alice(), disk_, group("bob"));
  EXPECT_EQ(refusal([&] { house_.resources.get(bob(), disk_); }), ErrorCode::resource_not_found);
  EXPECT_EQ(refusal([&] { house_.resource_shares.revoke(alice(), disk_, group("bob")); }), ErrorCode::share_not_found);
}

TEST_F(ResourceSharesTest, WhoseGroupIsGoneHasNoShare) {
  house_.resource_shares.share(alice(), disk_, group("bob"), ResourceRight::use);
  house_.accounts.remove_user(house_.caller("root"), house_.caller("bob").uid());
  EXPECT_TRUE(house_.resource_shares.list(alice(), disk_).empty());
  EXPECT_TRUE(Inventory(house_.database).picture()->resources.find(disk_)->shares.empty());
}

TEST_F(ResourceSharesTest, AGroupThatDoesNotExistGetsNone) {
  EXPECT_EQ(refusal([&] { house_.resource_shares.share(alice(), disk_, model::Gid{9999}, ResourceRight::use); }), ErrorCode::group_not_found);
}

TEST_F(ResourceSharesTest, AMachineIsGivenWhatItsMakerMayUse) {
  const auto catalog = house_.catalogs.create(house_.caller("root"), group("bob"), "c");
  model::Machine wanted;
  wanted.name = "m";
  wanted.catalog = catalog;
  wanted.type = "efi";
  wanted.memory_mb = 64;
  wanted.storage = {{disk_, nlohmann::json::object()}};
  EXPECT_EQ(refusal([&] { house_.machines.create(bob(), wanted); }), ErrorCode::resource_not_found);
  house_.resource_shares.share(alice(), disk_, group("bob"), ResourceRight::use);
  EXPECT_NO_THROW(house_.machines.create(bob(), wanted));
  house_.catalogs.remove(house_.caller("root"), catalog);
}

TEST_F(ResourceSharesTest, WhoIsLentADiskIsNotToldOfMachinesThatItDoesNotSee) {
  const auto catalog = house_.catalogs.create(house_.caller("root"), group("alice"), "c");
  model::Machine wanted;
  wanted.name = "m";
  wanted.catalog = catalog;
  wanted.type = "efi";
  wanted.memory_mb = 64;
  wanted.storage = {{disk_, nlohmann::json::object()}};
  house_.machines.create(alice(), wanted);
  house_.resource_shares.share(alice(), disk_, group("bob"), ResourceRight::use);
  EXPECT_EQ(house_.resources.get(alice(), disk_).machines.size(), 1U);
  EXPECT_TRUE(house_.resources.get(bob(), disk_).machines.empty());
  EXPECT_TRUE(house_.resources.list(bob(), {}).at(0).machines.empty());
  model::Permissions view;
  view.set(model::Permission::view, true);
  house_.catalogs.share(alice(), catalog, {group("bob"), view});
  EXPECT_EQ(house_.resources.get(bob(), disk_).machines.size(), 1U);
  house_.catalogs.remove(house_.caller("root"), catalog);
}

}  // namespace
}  // namespace velocity::service
