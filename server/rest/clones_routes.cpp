// /v/clone: a machine after the likeness of another.
#include "framework/service/clones.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

// The machine with the disks that it would share, and beside it those that would be made.
Json rehearsed(const service::RehearsedClone& rehearsed) {
  Json document = to_json(rehearsed.machine);
  auto& disks = document["disks"] = Json::array();
  for (const auto& disk : rehearsed.disks) disks.push_back(without_id(to_json(disk)));
  return document;
}

Answer clone(service::Clones& clones, Request& request) {
  model::FieldReader fields(request.fields);
  service::CloneWish wish;
  wish.source = fields.require("vmid", fields.id<model::MachineId>("vmid"));
  wish.name = fields.require("name", fields.name("name"));
  wish.catalog = fields.require("catalog", fields.id<model::CatalogId>("catalog"));
  wish.linked = fields.boolean("linked").value_or(false);
  const auto dry_run = fields.boolean("dry_run").value_or(false);
  fields.finish_closed();
  if (dry_run) return Answer::json(rehearsed(clones.rehearse(request.caller(), wish)));
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
