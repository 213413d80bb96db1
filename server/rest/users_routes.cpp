// /u/user: users and the groups that they are in.
#include <fmt/format.h>

#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

constexpr std::size_t kMaxPasswordBytes = 1024;

// No rules but a length, as NIST SP 800-63B has it.
std::optional<std::string> read_new_password(model::FieldReader& fields) {
  auto password = fields.text("password", kMaxPasswordBytes);
  if (password && service::is_too_short(*password)) fields.note("password", fmt::format("must have at least {} characters", service::kLeastPassword));
  return password;
}

Answer create(service::Accounts& accounts, Request& request) {
  model::FieldReader fields(request.fields);
  const auto username = fields.require("username", fields.name("username"));
  const auto password = fields.require("password", read_new_password(fields));
  const auto groups = read_gids(fields, "groups");
  fields.finish_closed();
  const auto user = accounts.create_user(request.caller(), username, password, groups);
  return Answer::json({{"uid", model::number(user.uid)}, {"username", user.name}, {"groups", to_json(user.groups)}});
}

Answer alter(service::Accounts& accounts, Request& request) {
  model::FieldReader fields(request.fields);
  const auto uid = read_uid(fields, "uid").value_or(request.caller().uid());
  service::UserChange change;
  change.username = fields.name("username");
  change.password = read_new_password(fields);
  change.old_password = fields.text("old_password", kMaxPasswordBytes);
  if (change.password && uid == request.caller().uid() && !fields.has("old_password")) fields.note("old_password", "is required to change one's own password");
  fields.finish_closed();
  const auto user = accounts.alter_user(request.caller(), uid, change);
  return Answer::json(
      {{"uid", model::number(user.uid)}, {"username", user.name}, {"groups", to_json(accounts.groups_of(request.caller(), uid))}});
}

Answer remove(service::Accounts& accounts, Request& request) {
  model::FieldReader fields(request.fields);
  const auto uid = fields.require("uid", read_uid(fields, "uid"));
  fields.finish_closed();
  accounts.remove_user(request.caller(), uid);
  return Answer::empty();
}

Answer groups_of(service::Accounts& accounts, Request& request) {
  model::FieldReader fields(request.fields);
  const auto uid = read_uid(fields, "uid").value_or(request.caller().uid());
  fields.finish_closed();
  return Answer::json({{"uid", model::number(uid)}, {"groups", to_json(accounts.groups_of(request.caller(), uid))}});
}

Answer list(service::Accounts& accounts, Request& request) {
  Json users = Json::array();
  for (const auto& user : accounts.users(request.caller()))
    users.push_back({{"uid", model::number(user.uid)}, {"username", user.name}, {"groups", to_json(user.groups)}});
  return Answer::json({{"users", std::move(users)}});
}

}  // namespace

std::vector<Route> users_routes(service::Services services) {
  auto& accounts = services.accounts;
  return {
      {Method::put, "/u/user", Credential::caller, "Create a user, and a group of the same name", "usermanager",
       [&accounts](Request& request) { return create(accounts, request); }},
      {Method::post, "/u/user", Credential::caller, "Show a user; with `username` or `password`, change them", "the user, or usermanager",
       [&accounts](Request& request) { return alter(accounts, request); }},
      {Method::remove, "/u/user", Credential::caller, "Remove a user with its own group and all that it owns", "usermanager",
       [&accounts](Request& request) { return remove(accounts, request); }},
      {Method::get, "/u/user/groups", Credential::caller, "The groups that a user is in", "the user, or usermanager",
       [&accounts](Request& request) { return groups_of(accounts, request); }},
      {Method::get, "/u/user/list", Credential::caller, "All users", "usermanager",
       [&accounts](Request& request) { return list(accounts, request); }},
  };
}

}  // namespace velocity::rest
