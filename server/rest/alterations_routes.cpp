// PATCH /v: altering a machine that exists.
#include "framework/service/access.hpp"
#include "framework/service/alterations.hpp"
#include "server/rest/machine_request.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

using model::FieldReader;

Answer alter(const service::Services& services, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = fields.require("vmid", fields.id<model::MachineId>("vmid"));
  fields.finish();
  const auto picture = services.inventory.picture();
  // What a machine's type makes of the fields tells nothing of a machine that the caller does not see.
  const auto machine = service::Access(*picture, request.caller()).sees(vmid) ? picture->machines.find(vmid) : nullptr;
  const auto* type = machine ? services.registry.find_vm_type(machine->type) : nullptr;
  const auto dry_run = read_dry_run(request);
  const auto change = read_machine_change(request.fields, type);
  const auto altered = dry_run ? services.alterations.rehearse(request.caller(), vmid, change) : services.alterations.alter(request.caller(), vmid, change);
  Json answer = to_json(altered.view);
  auto& changes = answer["changes"] = Json::object();
  for (const auto& [field, live] : altered.changes) changes[field] = live ? "live" : "next_start";
  if (!altered.warnings.empty()) answer["warnings"] = altered.warnings;
  if (dry_run) answer["dry_run"] = true;
  if (!altered.domain_xml.empty()) answer["domain_xml"] = altered.domain_xml;
  return Answer::json(answer);
}

}  // namespace

std::vector<Route> alterations_routes(service::Services services) {
  return {
      {Method::patch, "/v", Credential::caller, "Alter a virtual machine: any field of its creation", "alter; create, where it is moved to another catalog",
       [services](Request& request) { return alter(services, request); }},
  };
}

}  // namespace velocity::rest
