// Users and groups: who may make, alter and remove them. Included by the routes of /u.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/passwords.hpp"
#include "framework/service/throttle.hpp"

namespace velocity::service {

class Removal;

struct UserChange {
  std::optional<std::string> username;
  std::optional<std::string> password;
  std::optional<std::string> old_password;  // asked for when one changes one's own
};

struct GroupMembers {
  model::Group group;
  std::vector<model::Uid> users;
};

// Gives the user root another password, whoever asks: for who owns the state directory while no server does. Signs root out everywhere. False when
// there is no root yet.
bool reset_root(Inventory& inventory, Passwords& passwords, const std::string& password);

// Thread-safe. Rights are checked before anything is looked up: who may not manage users learns nothing of them.
class Accounts {
 public:
  Accounts(Inventory& inventory, Passwords& passwords, Removal& removal);

  // First start: makes the groups that always exist and the user root. False when they are there already.
  bool create_root(const std::string& password);

  model::User create_user(const Caller& caller, const std::string& username, const std::string& password, const std::set<model::Gid>& groups);
  model::User alter_user(const Caller& caller, model::Uid uid, const UserChange& change);
  void remove_user(const Caller& caller, model::Uid uid);
  std::vector<model::Group> groups_of(const Caller& caller, model::Uid uid) const;
  std::vector<model::User> users(const Caller& caller) const;

  model::Group create_group(const Caller& caller, const std::string& name);
  void remove_group(const Caller& caller, model::Gid gid);
  std::vector<GroupMembers> groups(const Caller& caller) const;

  // All groups that the user is in afterwards.
  std::set<model::Gid> assign(const Caller& caller, model::Uid uid, const std::set<model::Gid>& groups);
  std::set<model::Gid> unassign(const Caller& caller, model::Uid uid, const std::set<model::Gid>& groups);

 private:
  void check_old_password(const Caller& caller, const std::string& old_password);  // user_denied; auth_too_many after repeated failures
  std::set<model::Gid> change_groups(const Caller& caller, model::Uid uid, const std::set<model::Gid>& groups, bool add);
  Inventory& inventory_;
  Passwords& passwords_;
  Removal& removal_;
  Throttle failures_;
};

}  // namespace velocity::service
