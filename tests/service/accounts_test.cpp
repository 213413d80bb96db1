#include "framework/service/accounts.hpp"

#include <gtest/gtest.h>

#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::Gid;
using test::refusal;

class AccountsTest : public testing::Test {
 protected:
  AccountsTest() {
    house_.accounts.create_root("root-password");
    house_.accounts.create_user(root(), "manager", "password-1", {model::kUserManagers});
    house_.accounts.create_user(root(), "alice", "password-2", {});
  }
  Caller root() { return house_.caller("root"); }
  Caller manager() { return house_.caller("manager"); }
  Caller alice() { return house_.caller("alice"); }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
};

TEST_F(AccountsTest, ANewUserHasAGroupOfItsOwnName) {
  const auto groups = house_.accounts.groups_of(alice(), alice().uid());
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].name, "alice");
}

TEST_F(AccountsTest, WhoMayNotCreateUsersLearnsNothingOfNamesThatAreTaken) {
  EXPECT_EQ(refusal([&] { house_.accounts.create_user(alice(), "manager", "password-3", {}); }), ErrorCode::user_denied);
  EXPECT_EQ(refusal([&] { house_.accounts.create_user(alice(), "free", "password-3", {}); }), ErrorCode::user_denied);
  EXPECT_EQ(refusal([&] { house_.accounts.create_user(manager(), "alice", "password-3", {}); }), ErrorCode::user_name_taken);
}

TEST_F(AccountsTest, AUserManagerCannotBecomeRoot) {
  EXPECT_EQ(refusal([&] { house_.accounts.assign(manager(), manager().uid(), {model::kRootGroup}); }), ErrorCode::group_protected);
  EXPECT_EQ(refusal([&] { house_.accounts.create_user(manager(), "evil", "password-3", {model::kRootGroup}); }), ErrorCode::user_denied);
  UserChange takeover;
  takeover.password = "password-4";
  EXPECT_EQ(refusal([&] { house_.accounts.alter_user(manager(), model::kRootUser, takeover); }), ErrorCode::user_denied);
  EXPECT_EQ(refusal([&] { house_.accounts.remove_user(manager(), model::kRootUser); }), ErrorCode::user_denied);
  EXPECT_EQ(refusal([&] { house_.accounts.unassign(manager(), model::kRootUser, {model::kRootGroup}); }), ErrorCode::group_protected);
}

TEST_F(AccountsTest, ARightTakenAwayIsGoneForAuthkeysThatExist) {
  const auto key = house_.sessions.sign_in("manager", "password-1", "peer").authkey;
  house_.accounts.unassign(root(), manager().uid(), {model::kUserManagers});
  EXPECT_EQ(refusal([&] { house_.accounts.users(house_.sessions.caller(key)); }), ErrorCode::user_denied);
}

TEST_F(AccountsTest, OnesOwnPasswordNeedsTheOldOne) {
  UserChange change;
  change.password = "password-new";
  EXPECT_EQ(refusal([&] { house_.accounts.alter_user(alice(), alice().uid(), change); }), ErrorCode::user_denied);
  change.old_password = "password-2";
  house_.accounts.alter_user(alice(), alice().uid(), change);
  EXPECT_NO_THROW(house_.sessions.sign_in("alice", "password-new", "peer"));
}

TEST_F(AccountsTest, AResetWhileTheOldPasswordIsBeingCheckedIsNotUndone) {
  const auto before = alice();  // as the request began
  UserChange reset;
  reset.password = "password-reset";
  house_.accounts.alter_user(manager(), before.uid(), reset);
  UserChange change;
  change.password = "password-thief";
  change.old_password = "password-2";
  EXPECT_EQ(refusal([&] { house_.accounts.alter_user(before, before.uid(), change); }), ErrorCode::user_denied);
  EXPECT_NO_THROW(house_.sessions.sign_in("alice", "password-reset", "peer"));
}

TEST_F(AccountsTest, WrongOldPasswordsAreSlowedDownAndSayForHowLong) {
  UserChange change;
  change.password = "password-new";
  change.old_password = "a guess";
  for (int i = 0; i < kAllowedFailures; ++i) EXPECT_EQ(refusal([&] { house_.accounts.alter_user(alice(), alice().uid(), change); }), ErrorCode::user_denied);
  change.old_password = "password-2";
  const auto blocked = test::refusal_of([&] { house_.accounts.alter_user(alice(), alice().uid(), change); });
  EXPECT_EQ(blocked.code(), ErrorCode::auth_too_many);
  EXPECT_NE(blocked.message().find("in " + test::member(blocked, "retry_after") + " seconds"), std::string::npos) << blocked.message();
  EXPECT_NO_THROW(house_.sessions.sign_in("alice", "password-2", "peer"));
}

TEST_F(AccountsTest, ChangingOnesOwnPasswordSignsOutEverywhereElse) {
  const auto thief = house_.sessions.sign_in("alice", "password-2", "peer").authkey;
  const auto own = house_.sessions.sign_in("alice", "password-2", "peer").authkey;
  UserChange change;
  change.password = "password-new";
  change.old_password = "password-2";
  const auto uid = alice().uid();
  house_.accounts.alter_user(house_.sessions.caller(own), uid, change);
  EXPECT_NO_THROW(house_.sessions.caller(own));
  EXPECT_EQ(refusal([&] { house_.sessions.caller(thief); }), ErrorCode::auth_expired);
}

TEST_F(AccountsTest, APasswordSetByAManagerSignsTheUserOutEverywhere) {
  const auto key = house_.sessions.sign_in("alice", "password-2", "peer").authkey;
  UserChange change;
  change.password = "password-new";
  house_.accounts.alter_user(manager(), alice().uid(), change);
  EXPECT_EQ(refusal([&] { house_.sessions.caller(key); }), ErrorCode::auth_expired);
}

TEST_F(AccountsTest, RemovingAUserRemovesItsGroupItsCatalogsAndItsKeys) {
  const auto key = house_.sessions.sign_in("alice", "password-2", "peer").authkey;
  const auto gid = alice().user().own_group;
  const auto catalog = house_.catalogs.create(root(), gid, "alice's");
  ASSERT_NO_THROW(house_.host.facts());
  house_.accounts.remove_user(manager(), alice().uid());
  EXPECT_EQ(refusal([&] { house_.sessions.caller(key); }), ErrorCode::auth_expired);
  EXPECT_EQ(refusal([&] { house_.catalogs.get(root(), catalog); }), ErrorCode::catalog_not_found);
  EXPECT_FALSE(house_.inventory.picture()->groups.find(gid));
  EXPECT_NO_THROW(house_.accounts.create_user(root(), "alice", "password-2", {}));
}

TEST_F(AccountsTest, GroupsThatAlwaysExistAndUsersOwnGroupsStay) {
  for (const auto gid : {model::kRootGroup, model::kUserManagers, model::kCatalogManagers, model::kPoolManagers, alice().user().own_group})
    EXPECT_EQ(refusal([&] { house_.accounts.remove_group(root(), gid); }), ErrorCode::group_denied);
}

TEST_F(AccountsTest, RenamingAUserRenamesItsGroup) {
  UserChange change;
  change.username = "alicia";
  const auto uid = alice().uid();
  house_.accounts.alter_user(alice(), uid, change);
  const auto picture = house_.inventory.picture();
  EXPECT_TRUE(picture->group_names.find("alicia"));
  EXPECT_FALSE(picture->group_names.find("alice"));
  EXPECT_FALSE(picture->user_names.find("alice"));
}

}  // namespace
}  // namespace velocity::service
