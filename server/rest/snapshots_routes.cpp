// /v/snapshot: machines as they were.
#include "framework/model/names.hpp"
#include "framework/service/snapshots.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

using model::FieldReader;

struct Named {
  model::MachineId machine;
  std::string name;
};

Named read_named(Request& request) {
  FieldReader fields(request.fields);
  Named named;
  named.machine = fields.require("vmid", fields.id<model::MachineId>("vmid"));
  named.name = fields.require("name", fields.name("name"));
  // Doing for real what was asked for as a rehearsal would be worse than saying no.
  if (fields.boolean("dry_run").value_or(false)) fields.note("dry_run", "is not offered for snapshots");
  fields.finish_closed();
  return named;
}

Json to_json(const model::Snapshot& snapshot) {
  return {{"name", snapshot.name}, {"created", snapshot.created}, {"memory", snapshot.memory}};
}

Answer list(service::Snapshots& snapshots, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = fields.require("vmid", fields.id<model::MachineId>("vmid"));
  fields.finish_closed();
  Json documents = Json::array();
  for (const auto& snapshot : snapshots.list(request.caller(), vmid)) documents.push_back(to_json(*snapshot));
  return Answer::json({{"vmid", vmid.text()}, {"snapshots", std::move(documents)}});
}

Answer take(service::Snapshots& snapshots, Request& request) {
  const auto [vmid, name] = read_named(request);
  Json answer = to_json(*snapshots.take(request.caller(), vmid, name));
  answer["vmid"] = vmid.text();
  return Answer::json(answer);
}

Answer revert(const service::Services& services, Request& request) {
  const auto [vmid, name] = read_named(request);
  services.snapshots.revert(request.caller(), vmid, name);
  const auto state = services.machines.state(request.caller(), vmid).state;
  return Answer::json({{"vmid", vmid.text()}, {"name", name}, {"state", model::name(state)}});
}

Answer remove(service::Snapshots& snapshots, Request& request) {
  const auto [vmid, name] = read_named(request);
  snapshots.remove(request.caller(), vmid, name);
  return Answer::empty();
}

}  // namespace

std::vector<Route> snapshots_routes(service::Services services) {
  auto& snapshots = services.snapshots;
  return {
      {Method::get, "/v/snapshot", Credential::caller, "The snapshots of a virtual machine", "view",
       [&snapshots](Request& request) { return list(snapshots, request); }},
      {Method::put, "/v/snapshot", Credential::caller, "Keep a virtual machine as it is now: a running one with its memory", "alter",
       [&snapshots](Request& request) { return take(snapshots, request); }},
      {Method::post, "/v/snapshot", Credential::caller, "Go back to a snapshot", "alter",
       [services](Request& request) { return revert(services, request); }},
      {Method::remove, "/v/snapshot", Credential::caller, "Remove a snapshot", "alter",
       [&snapshots](Request& request) { return remove(snapshots, request); }},
  };
}

}  // namespace velocity::rest
