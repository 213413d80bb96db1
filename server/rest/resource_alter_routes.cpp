// POST /r: another label, other own fields.
#include "server/rest/own_fields.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

Answer alter(const service::Services& services, Request& request) {
  model::FieldReader fields(request.fields);
  const auto rid = read_rid(fields);
  const auto label = fields.name("label");
  fields.finish();
  const auto changes = own_fields(request.fields, nullptr, {"rid", "stid", "nicid", "label"});
  services.resource_changes.alter(request.caller(), rid, label, changes);
  return Answer::json(to_json(services.resources.get(request.caller(), rid)));
}

}  // namespace

std::vector<Route> resource_alter_routes(service::Services services) {
  return {{Method::post, "/r", Credential::caller, "Give a resource another label, or alter those of its own fields that its type lets be altered",
           "manage: the owning group, or a share", [services](Request& request) { return alter(services, request); }}};
}

}  // namespace velocity::rest
