// /r/share: lending resources to other groups.
#include "framework/model/names.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

using model::ResourceRight;

// Whoever may manage a resource may use it.
void put_right(Json& object, ResourceRight right) {
  object["use"] = true;
  object["manage"] = right == ResourceRight::manage;
}

ResourceRight read_right(model::FieldReader& fields) {
  const auto use = fields.boolean("use").value_or(false);
  const auto manage = fields.boolean("manage").value_or(false);
  if (!use && !manage) fields.note("use", "must be true, or \"manage\" must be; DELETE revokes a share");
  return manage ? ResourceRight::manage : ResourceRight::use;
}

Answer list(const service::ResourceShares& shares, Request& request) {
  model::FieldReader fields(request.fields);
  const auto rid = read_rid(fields);
  fields.finish_closed();
  Json entries = Json::array();
  for (const auto& [gid, right] : shares.list(request.caller(), rid)) {
    Json entry{{"gid", model::number(gid)}};
    put_right(entry, right);
    entries.push_back(std::move(entry));
  }
  return Answer::json({{"rid", rid.text()}, {"shares", std::move(entries)}});
}

Answer share(service::ResourceShares& shares, Request& request) {
  model::FieldReader fields(request.fields);
  const auto rid = read_rid(fields);
  const auto gid = fields.require("gid", read_gid(fields, "gid"));
  const auto right = read_right(fields);
  fields.finish_closed();
  shares.share(request.caller(), rid, gid, right);
  Json answer{{"rid", rid.text()}, {"gid", model::number(gid)}};
  put_right(answer, right);
  return Answer::json(answer);
}

Answer revoke(service::ResourceShares& shares, Request& request) {
  model::FieldReader fields(request.fields);
  const auto rid = read_rid(fields);
  const auto gid = fields.require("gid", read_gid(fields, "gid"));
  fields.finish_closed();
  shares.revoke(request.caller(), rid, gid);
  return Answer::json({{"rid", rid.text()}, {"gid", model::number(gid)}});
}

}  // namespace

std::vector<Route> resource_share_routes(service::Services services) {
  auto& shares = services.resource_shares;
  return {
      {Method::get, "/r/share", Credential::caller, "The shares of a resource", "manage",
       [&shares](Request& request) { return list(shares, request); }},
      {Method::post, "/r/share", Credential::caller, "Lend a resource to a group, or alter the share", "manage",
       [&shares](Request& request) { return share(shares, request); }},
      {Method::remove, "/r/share", Credential::caller, "Revoke a share", "manage",
       [&shares](Request& request) { return revoke(shares, request); }},
  };
}

}  // namespace velocity::rest
