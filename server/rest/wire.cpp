#include "server/rest/wire.hpp"

#include <algorithm>

#include "framework/model/names.hpp"

namespace velocity::rest {
namespace {

using model::FieldReader;

// What the request said beside the id comes back beside the id; an id alone comes back alone.
Json attachments(const std::vector<model::Attachment>& list, const char* id_field) {
  Json entries = Json::array();
  for (const auto& attachment : list) {
    if (!attachment.options.is_object() || attachment.options.empty()) {
      entries.push_back(attachment.resource.text());
      continue;
    }
    Json entry = attachment.options;
    entry[id_field] = attachment.resource.text();
    entries.push_back(std::move(entry));
  }
  return entries;
}

Json displays(const std::vector<model::Display>& list) {
  Json entries = Json::array();
  for (const auto& display : list)
    entries.push_back({{"description", display.description}, {"width", display.width}, {"height", display.height}});
  return entries;
}

}  // namespace

std::optional<model::Uid> read_uid(FieldReader& fields, std::string_view field) {
  const auto number = fields.integer(field, 0, kMaxNumber);
  return number ? std::optional(model::Uid{*number}) : std::nullopt;
}

std::optional<model::Gid> read_gid(FieldReader& fields, std::string_view field) {
  const auto number = fields.integer(field, 0, kMaxNumber);
  return number ? std::optional(model::Gid{*number}) : std::nullopt;
}

std::set<model::Gid> read_gids(FieldReader& fields, std::string_view field) {
  std::set<model::Gid> gids;
  for (const auto number : fields.integers(field, 0, kMaxNumber)) gids.insert(model::Gid{number});
  return gids;
}

const char* rid_field(const FieldReader& fields) {
  for (const auto* field : {"stid", "nicid"})
    if (fields.has(field) && !fields.has("rid")) return field;
  return "rid";
}

model::ResourceId read_rid(FieldReader& fields) {
  const auto* field = rid_field(fields);
  return fields.require(field, fields.id<model::ResourceId>(field));
}

bool read_dry_run(const Request& request) {
  FieldReader fields(request.fields);
  const auto dry_run = fields.boolean("dry_run");
  fields.finish();
  return dry_run.value_or(false);
}

model::Permissions read_permissions(FieldReader& fields) {
  model::Permissions permissions;
  for (const auto& [permission, name] : model::names<model::Permission>())
    permissions.set(permission, fields.boolean(name).value_or(false));
  return permissions;
}

Json to_json(const std::set<model::Gid>& groups) {
  Json list = Json::array();
  for (const auto gid : groups) list.push_back(model::number(gid));
  return list;
}

Json to_json(const std::vector<model::Group>& groups) {
  Json list = Json::array();
  for (const auto& group : groups) list.push_back({{"gid", model::number(group.gid)}, {"groupname", group.name}});
  return list;
}

void put_permissions(Json& object, model::Permissions permissions) {
  for (const auto& [permission, name] : model::names<model::Permission>()) object[std::string(name)] = permissions.has(permission);
}

Json to_json(const service::ResourceView& view) {
  const auto& resource = *view.resource;
  // The type's own fields stand beside the core's, as in the request that made it; the core's win.
  Json document = resource.spec.is_object() ? resource.spec : Json::object();
  document.update(view.facts);
  document["rid"] = resource.id.text();
  document[resource.kind == model::ResourceKind::storage ? "stid" : "nicid"] = resource.id.text();
  document["type"] = resource.type;
  document["kind"] = model::name(resource.kind);
  document["label"] = resource.label;
  document["group"] = model::number(resource.group);
  document["created"] = resource.created;
  // Begun, and not known to be done.
  if (resource.altering.is_object())
    for (const auto& [field, value] : resource.altering.items())
      if (resource.spec.value(field, Json()) != value) document["altering"][field] = value;
  auto& machines = document["machines"] = Json::array();
  for (const auto id : view.machines) machines.push_back(id.text());
  return document;
}

Json to_json(const service::MachineView& view) {
  const auto& machine = *view.machine;
  Json document = machine.spec.is_object() ? machine.spec : Json::object();
  document["vmid"] = machine.id.text();
  document["name"] = machine.name;
  document["catalog"] = machine.catalog.text();
  document["type"] = machine.type;
  document["plugin"] = machine.plugin;
  document["cpu_count"] = machine.cpu_count;
  document["memory_size_mb"] = machine.memory_mb;
  document["displays"] = displays(machine.displays);
  document["storage_devices"] = attachments(machine.storage, "stid");
  document["nics"] = attachments(machine.nics, "nicid");
  document["autostart"] = machine.autostart;
  document["rosetta"] = machine.rosetta;
  document["created"] = machine.created;
  document["state"] = model::name(view.runtime.state);
  if (!view.runtime.cause.empty()) document["cause"] = view.runtime.cause;
  document["available"] = view.available;
  if (!view.available) document["why_not"] = view.why_not;
  return document;
}

Json to_json(const service::Rehearsed& rehearsed) {
  Json document = to_json(rehearsed.machine);
  document.erase("vmid");
  document["dry_run"] = true;
  if (!rehearsed.warnings.empty()) document["warnings"] = rehearsed.warnings;
  if (!rehearsed.domain_xml.empty()) document["domain_xml"] = rehearsed.domain_xml;
  return document;
}

Json without_id(Json resource) {
  for (const auto* id : {"rid", "stid", "nicid"}) resource.erase(id);
  return resource;
}

Json describe_type(const plugin::Type& type, const std::string& kind, const Json& host) {
  const auto& info = type.info();
  Json document{{"type", info.type},       {"kind", kind},          {"title", info.title},       {"plugin", info.plugin},
                {"version", info.version}, {"schema", info.schema}, {"examples", info.examples}, {"capabilities", info.capabilities}};
  plugin::Availability availability{false, "nothing is known of the hypervisor yet"};
  if (!host.is_null()) try {
      availability = type.host_check(host);
    } catch (const model::Error& error) {
      availability = {false, "the plugin failed to look at the host: " + error.message()};
    }
  document["available"] = availability.available;
  if (!availability.available) document["why_not"] = availability.why_not;
  return document;
}

void add_missing_types(Json& types, const plugin::Registry& registry, const std::string& prefix) {
  for (const auto& report : registry.plugins()) {
    if (report.status == "loaded") continue;
    for (const auto& provided : report.provides) {
      if (provided.rfind(prefix, 0) != 0) continue;
      const auto type = provided.substr(prefix.size());
      const bool loaded = std::any_of(types.begin(), types.end(), [&](const Json& entry) { return entry.at("type") == type; });
      if (loaded) continue;
      types.push_back({{"type", type},
                       {"plugin", report.name},
                       {"version", report.version},
                       {"available", false},
                       // The cause may name files of the host, which is for who runs it.
                       {"why_not", report.code.empty() ? "the plugin is " + report.status : "the plugin is refused: " + report.code}});
    }
  }
}

}  // namespace velocity::rest
