#include "framework/service/accounts.hpp"

#include <fmt/format.h>

#include "framework/service/access.hpp"
#include "framework/service/replies.hpp"
#include "framework/service/removal.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Gid;
using model::Uid;

void require_user_manager(const Picture& picture, const Caller& caller, ErrorCode denied = ErrorCode::user_denied) {
  Access(picture, caller).require_group(model::kUserManagers, denied, "Only members of the group usermanager can do this");
}

std::shared_ptr<const model::User> get_user(const Picture& picture, Uid uid) {
  auto user = picture.users.find(uid);
  if (!user) throw Error(ErrorCode::user_not_found, fmt::format("There is no user {}", model::number(uid)));
  return user;
}

std::shared_ptr<const model::Group> get_group(const Picture& picture, Gid gid) {
  auto group = picture.groups.find(gid);
  if (!group || group->phase != model::Phase::ready) throw Error(ErrorCode::group_not_found, fmt::format("There is no group {}", model::number(gid)));
  return group;
}

// Whoever manages users must not become root by it: only root touches those in root.
void protect_root(const model::User& user, const Caller& caller) {
  if (user.groups.count(model::kRootGroup) > 0 && !caller.is_root()) throw Error(ErrorCode::user_denied, "Only members of the group root can change this user");
}

Error wrong_old_password() { return Error(ErrorCode::user_denied, "The old password is wrong"); }

void require_free_user_name(const Picture& picture, const std::string& name) {
  if (picture.user_names.find(name) || picture.group_names.find(name))
    throw Error(ErrorCode::user_name_taken, fmt::format("The name \"{}\" is taken", name));
}

void sign_out_everywhere(Change& change, Uid uid, const std::optional<model::AuthkeyHash>& but) {
  std::vector<model::AuthkeyHash> keys;
  change.picture().authkeys.visit_all([&](const auto& hash, const auto& key) {
    if (key->uid == uid && hash != but) keys.push_back(hash);
  });
  for (const auto& key : keys) change.erase(key);
}

}  // namespace

bool reset_root(Inventory& inventory, Passwords& passwords, const std::string& password) {
  if (!inventory.picture()->users.find(model::kRootUser)) return false;
  const auto hash = passwords.hash(password);
  inventory.change([&](Change& change) {
    auto root = *change.picture().users.find(model::kRootUser);
    root.password_hash = hash;
    root.groups.insert(model::kRootGroup);
    change.put(root);
    sign_out_everywhere(change, root.uid, std::nullopt);
  });
  return true;
}

Accounts::Accounts(Inventory& inventory, Passwords& passwords, Removal& removal) : inventory_(inventory), passwords_(passwords), removal_(removal), failures_(kAllowedFailures, kFailureWindow) {}

bool Accounts::create_root(const std::string& password) {
  if (inventory_.picture()->users.find(model::kRootUser)) return false;
  const auto hash = passwords_.hash(password);
  inventory_.change([&](Change& change) {
    change.put(model::Group{model::kRootGroup, "root"});
    change.put(model::Group{model::kUserManagers, "usermanager"});
    change.put(model::Group{model::kCatalogManagers, "catalogmanager"});
    change.put(model::Group{model::kPoolManagers, "poolmanager"});
    change.put(model::User{model::kRootUser, "root", hash, model::kRootGroup, {model::kRootGroup}});
  });
  return true;
}

model::User Accounts::create_user(const Caller& caller, const std::string& username, const std::string& password, const std::set<Gid>& groups) {
  const auto check = [&](const Picture& picture) {
    require_user_manager(picture, caller);
    if (groups.count(model::kRootGroup) > 0 && !caller.is_root())
      throw Error(ErrorCode::user_denied, "Only members of the group root can put a user into it");
    for (const auto gid : groups) get_group(picture, gid);
    require_free_user_name(picture, username);
  };
  check(*inventory_.picture());  // before the costly hash; what counts is the check inside
  model::User user{Uid{}, username, passwords_.hash(password), Gid{}, groups};
  inventory_.change([&](Change& change) {
    check(change.picture());
    user.uid = change.next_uid();
    user.own_group = change.next_gid();
    user.groups.insert(user.own_group);
    change.put(model::Group{user.own_group, username});
    change.put(user);
    auto gids = nlohmann::json::array();
    for (const auto gid : user.groups) gids.push_back(model::number(gid));
    note_result(change, caller, {{"uid", model::number(user.uid)}, {"username", username}, {"groups", std::move(gids)}});
  });
  return user;
}

// Whoever has found somebody's authkey must not find the password with it.
void Accounts::check_old_password(const Caller& caller, const std::string& old_password) {
  const auto who = std::to_string(model::number(caller.uid()));
  if (const auto rest = failures_.blocked(who); rest.count() > 0) throw too_many_failures(rest);
  if (passwords_.matches(caller.user().password_hash, old_password)) return failures_.forget(who);
  failures_.fail(who);
  throw wrong_old_password();
}

model::User Accounts::alter_user(const Caller& caller, Uid uid, const UserChange& wanted) {
  const bool oneself = caller.uid() == uid;
  const auto picture = inventory_.picture();
  if (!oneself) {
    require_user_manager(*picture, caller);
    protect_root(*get_user(*picture, uid), caller);
  }
  if (oneself && wanted.password) check_old_password(caller, wanted.old_password.value_or(""));
  const auto hash = wanted.password ? passwords_.hash(*wanted.password) : std::string();
  model::User user = *get_user(*picture, uid);
  if (!wanted.username && !wanted.password) return user;
  inventory_.change([&](Change& change) {
    user = *get_user(change.picture(), uid);
    if (!oneself) protect_root(user, caller);
    // It may have been reset while it was being checked: then the old one is not the old one any more.
    else if (wanted.password && user.password_hash != caller.user().password_hash) throw wrong_old_password();
    if (wanted.username && *wanted.username != user.name) {
      require_free_user_name(change.picture(), *wanted.username);
      const auto group = change.picture().groups.find(user.own_group);
      if (group && group->name == user.name && group->gid > model::kPoolManagers)  // the groups that always exist keep their names
        change.put(model::Group{group->gid, *wanted.username, group->phase});
      user.name = *wanted.username;
    }
    if (wanted.password) user.password_hash = hash;
    change.put(user);
    // Whoever had the old password is out; only the one who changes it stays.
    if (wanted.password) sign_out_everywhere(change, uid, oneself ? std::optional(caller.authkey()) : std::nullopt);
  });
  return user;
}

void Accounts::remove_user(const Caller& caller, Uid uid) {
  const auto check = [&](const Picture& picture) {
    require_user_manager(picture, caller);
    const auto user = get_user(picture, uid);
    protect_root(*user, caller);
    if (uid == model::kRootUser) throw Error(ErrorCode::user_denied, "The user root cannot be removed");
    return user;
  };
  check(*inventory_.picture());
  removal_.require_hypervisor();
  Doomed doomed;
  inventory_.change([&](Change& change) {
    const auto user = check(change.picture());
    doomed = removal_.mark_group(change, user->own_group);
    change.picture().uploads.visit_all([&](const auto& id, const auto& upload) {
      if (upload->user == uid) doomed.uploads.push_back(id);  // into whatever group
    });
    change.erase(uid);
  });
  removal_.carry_out(doomed);
}

std::vector<model::Group> Accounts::groups_of(const Caller& caller, Uid uid) const {
  const auto picture = inventory_.picture();
  if (caller.uid() != uid) require_user_manager(*picture, caller);
  std::vector<model::Group> groups;
  for (const auto gid : get_user(*picture, uid)->groups)
    if (const auto group = picture->groups.find(gid)) groups.push_back(*group);
  return groups;
}

std::vector<model::User> Accounts::users(const Caller& caller) const {
  const auto picture = inventory_.picture();
  require_user_manager(*picture, caller);
  std::vector<model::User> users;
  picture->users.visit_all([&](Uid, const auto& user) { users.push_back(*user); });
  return users;
}

model::Group Accounts::create_group(const Caller& caller, const std::string& name) {
  model::Group group{Gid{}, name};
  inventory_.change([&](Change& change) {
    require_user_manager(change.picture(), caller, ErrorCode::group_denied);
    if (change.picture().group_names.find(name)) throw Error(ErrorCode::group_name_taken, fmt::format("The name \"{}\" is taken", name));
    group.gid = change.next_gid();
    change.put(group);
    note_result(change, caller, {{"gid", model::number(group.gid)}, {"groupname", name}});
  });
  return group;
}

void Accounts::remove_group(const Caller& caller, Gid gid) {
  const auto check = [&](const Picture& picture) {
    require_user_manager(picture, caller, ErrorCode::group_denied);
    get_group(picture, gid);
    if (gid <= model::kPoolManagers) throw Error(ErrorCode::group_denied, "This group always exists");
    picture.users.visit_all([gid](Uid, const auto& user) {
      if (user->own_group == gid) throw Error(ErrorCode::group_denied, "This is a user's own group. It goes when the user is removed");
    });
  };
  check(*inventory_.picture());
  removal_.require_hypervisor();
  Doomed doomed;
  inventory_.change([&](Change& change) {
    check(change.picture());
    doomed = removal_.mark_group(change, gid);
  });
  removal_.carry_out(doomed);
}

std::vector<GroupMembers> Accounts::groups(const Caller& caller) const {
  const auto picture = inventory_.picture();
  require_user_manager(*picture, caller, ErrorCode::group_denied);
  std::map<Gid, GroupMembers> members;
  picture->groups.visit_all([&](Gid gid, const auto& group) {
    if (group->phase == model::Phase::ready) members[gid] = {*group, {}};
  });
  picture->users.visit_all([&](Uid uid, const auto& user) {
    for (const auto gid : user->groups)
      if (const auto found = members.find(gid); found != members.end()) found->second.users.push_back(uid);
  });
  std::vector<GroupMembers> list;
  list.reserve(members.size());
  for (auto& [gid, entry] : members) list.push_back(std::move(entry));
  return list;
}

std::set<Gid> Accounts::assign(const Caller& caller, Uid uid, const std::set<Gid>& groups) { return change_groups(caller, uid, groups, true); }

std::set<Gid> Accounts::unassign(const Caller& caller, Uid uid, const std::set<Gid>& groups) { return change_groups(caller, uid, groups, false); }

std::set<Gid> Accounts::change_groups(const Caller& caller, Uid uid, const std::set<Gid>& groups, bool add) {
  std::set<Gid> result;
  inventory_.change([&](Change& change) {
    require_user_manager(change.picture(), caller, ErrorCode::group_denied);
    if (groups.count(model::kRootGroup) > 0 && !caller.is_root())
      throw Error(ErrorCode::group_protected, "Only members of the group root can change who is in it");
    auto user = *get_user(change.picture(), uid);
    for (const auto gid : groups) {
      get_group(change.picture(), gid);
      if (add) {
        user.groups.insert(gid);
        continue;
      }
      if (gid == user.own_group) throw Error(ErrorCode::group_protected, "A user stays in the group of its own name");
      user.groups.erase(gid);
    }
    change.put(user);
    result = user.groups;
  });
  return result;
}

}  // namespace velocity::service
