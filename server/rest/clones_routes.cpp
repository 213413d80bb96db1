// /v/clone: a machine after the likeness of another.
#include "framework/service/clones.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

Answer clone(service::Clones& clones, Request& request) {
  model::FieldReader fields(request.fields);
  service::CloneWish wish;
  wish.source = fields.require("vmid", fields.id<model::MachineId>("vmid"));
  wish.name = fields.require("name", fields.name("name"));
  wish.catalog = fields.require("catalog", fields.id<model::CatalogId>("catalog"));
  wish.linked = fields.boolean("linked").value_or(false);
  // Doing for real what was asked for as a rehearsal would be worse than saying no.
  if (fields.boolean("dry_run").value_or(false)) fields.note("dry_run", "is not offered for clones");
  fields.finish();
  const auto created = clones.clone(request.caller(), wish);
  Json answer{{"vmid", created.id.text()}};
  if (!created.warnings.empty()) answer["warnings"] = created.warnings;
  return Answer::json(answer);
}

}  // namespace

std::vector<Route> clones_routes(service::Services services) {
  auto& clones = services.clones;
  return {
      {Method::put, "/v/clone", Credential::caller, "Create a virtual machine like another, with disks of its own",
       "view on the source, create in the catalog; and use of its disks", [&clones](Request& request) { return clone(clones, request); }},
  };
}

}  // namespace velocity::rest
