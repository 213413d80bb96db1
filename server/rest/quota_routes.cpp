// /u/group/quota: what groups may take, and what they have taken.
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

Json to_json(const service::QuotaView& view) {
  Json limits = Json::object(), taken = Json::object();
  for (std::size_t i = 0; i < model::kDimensions.size(); ++i) {
    const std::string dimension(model::kDimensions[i]);
    limits[dimension] = view.quota.limits[i] ? Json(*view.quota.limits[i]) : Json(nullptr);
    taken[dimension] = view.taken[i];
  }
  return {{"gid", model::number(view.quota.group)}, {"limits", std::move(limits)}, {"taken", std::move(taken)}};
}

Answer show(const service::Quotas& quotas, Request& request) {
  model::FieldReader fields(request.fields);
  const auto gid = fields.require("gid", read_gid(fields, "gid"));
  fields.finish_closed();
  return Answer::json(to_json(quotas.get(request.caller(), gid)));
}

// All limits are said each time: one that is missing or null is none.
Answer set(service::Quotas& quotas, Request& request) {
  model::FieldReader fields(request.fields);
  model::Quota quota;
  quota.group = fields.require("gid", read_gid(fields, "gid"));
  for (std::size_t i = 0; i < model::kDimensions.size(); ++i) quota.limits[i] = fields.integer(model::kDimensions[i], 0, kMaxNumber);
  fields.finish_closed();
  return Answer::json(to_json(quotas.set(request.caller(), quota)));
}

}  // namespace

std::vector<Route> quota_routes(service::Services services) {
  auto& quotas = services.quotas;
  return {
      {Method::get, "/u/group/quota", Credential::caller, "What a group may take of the host, and what it has taken", "the group; poolmanager",
       [&quotas](Request& request) { return show(quotas, request); }},
      {Method::post, "/u/group/quota", Credential::caller, "Set what a group may take of the host", "poolmanager",
       [&quotas](Request& request) { return set(quotas, request); }},
  };
}

}  // namespace velocity::rest
