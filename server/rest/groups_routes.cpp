// /u/group: groups and who is in them.
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

Answer create(service::Accounts& accounts, Request& request) {
  model::FieldReader fields(request.fields);
  const auto name = fields.require("groupname", fields.name("groupname"));
  fields.finish_closed();
  const auto group = accounts.create_group(request.caller(), name);
  return Answer::json({{"gid", model::number(group.gid)}, {"groupname", group.name}});
}

Answer remove(service::Accounts& accounts, Request& request) {
  model::FieldReader fields(request.fields);
  const auto named = read_gid(fields, "gid");
  const auto instead = read_gid(fields, "uid");  // is accepted for it
  const auto gid = fields.require("gid", named ? named : instead);
  fields.finish_closed();
  accounts.remove_group(request.caller(), gid);
  return Answer::empty();
}

Answer list(service::Accounts& accounts, Request& request) {
  Json groups = Json::array();
  for (const auto& [group, members] : accounts.groups(request.caller())) {
    Json users = Json::array();
    for (const auto uid : members) users.push_back(model::number(uid));
    groups.push_back({{"gid", model::number(group.gid)}, {"groupname", group.name}, {"users", std::move(users)}});
  }
  return Answer::json({{"groups", std::move(groups)}});
}

template <class ChangeGroups>
Answer change_membership(Request& request, ChangeGroups change_groups) {
  model::FieldReader fields(request.fields);
  const auto uid = fields.require("uid", read_uid(fields, "uid"));
  const auto groups = read_gids(fields, "groups");
  fields.finish_closed();
  return Answer::json({{"uid", model::number(uid)}, {"groups", to_json(change_groups(uid, groups))}});
}

}  // namespace

std::vector<Route> groups_routes(service::Services services) {
  auto& accounts = services.accounts;
  return {
      {Method::put, "/u/group", Credential::caller, "Create a group", "usermanager",
       [&accounts](Request& request) { return create(accounts, request); }},
      {Method::remove, "/u/group", Credential::caller, "Remove a group and all that it owns", "usermanager",
       [&accounts](Request& request) { return remove(accounts, request); }},
      {Method::get, "/u/group/list", Credential::caller, "All groups and their users", "usermanager",
       [&accounts](Request& request) { return list(accounts, request); }},
      {Method::put, "/u/group/assign", Credential::caller, "Put a user into groups", "usermanager; into `root`: root",
       [&accounts](Request& request) {
         return change_membership(request, [&](auto uid, const auto& groups) { return accounts.assign(request.caller(), uid, groups); });
       }},
      {Method::remove, "/u/group/assign", Credential::caller, "Take a user out of groups", "usermanager; out of `root`: root",
       [&accounts](Request& request) {
         return change_membership(request, [&](auto uid, const auto& groups) { return accounts.unassign(request.caller(), uid, groups); });
       }},
  };
}

}  // namespace velocity::rest
