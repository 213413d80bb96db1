// /r: resources, what machines are given.
#include "framework/model/names.hpp"
#include "server/rest/own_fields.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

constexpr std::int64_t kMaxPage = 1000;

Answer create(const service::Services& services, Request& request) {
  const auto& type = request.path.at("type");
  const auto* known = services.registry.find_resource_type(type);
  model::FieldReader fields(request.fields);
  const auto group = fields.require("group", read_gid(fields, "group"));
  const auto label = fields.require("label", fields.name("label"));
  const auto dry_run = fields.boolean("dry_run").value_or(false);
  const auto spec = own_fields(request.fields, known, {"group", "label", "dry_run"});
  if (known) finish_with_own(fields, *known, spec);  // of a type that is not there, that is the first thing to say
  if (dry_run) {
    auto document = without_id(to_json(services.resources.rehearse(request.caller(), type, group, label, spec)));
    document["dry_run"] = true;
    return Answer::json(document);
  }
  const auto resource = services.resources.create(request.caller(), type, group, label, spec);
  const auto id = resource->id.text();
  return Answer::json({{"rid", id}, {resource->kind == model::ResourceKind::storage ? "stid" : "nicid", id}});
}

Answer remove(const service::Services& services, Request& request) {
  model::FieldReader fields(request.fields);
  const auto rid = read_rid(fields);
  fields.finish_closed();
  services.resources.remove(request.caller(), rid);
  return Answer::empty();
}

Answer page(const std::vector<service::ResourceView>& views, std::size_t limit, const std::optional<model::ResourceId>& after) {
  Json list = Json::array();
  Json next = nullptr;
  for (const auto& view : views) {  // in the order of their ids
    if (after && view.resource->id <= *after) continue;
    if (list.size() == limit) {
      next = list.back().at("rid");
      break;
    }
    list.push_back(to_json(view));
  }
  Json answer{{"resources", std::move(list)}};
  if (!next.is_null()) answer["next"] = std::move(next);
  return Answer::json(answer);
}

Answer show(const service::Services& services, Request& request) {
  model::FieldReader fields(request.fields);
  const auto rid = fields.id<model::ResourceId>(rid_field(fields));
  service::ResourceFilter filter;
  if (const auto kind = fields.text("kind")) {
    filter.kind = model::find_named<model::ResourceKind>(*kind);
    if (!filter.kind) fields.note("kind", "must be storage or nic");
  }
  filter.type = fields.text("type");
  filter.group = read_gid(fields, "group");
  const auto limit = fields.integer("limit", 1, kMaxPage).value_or(kMaxPage);
  const auto after = fields.id<model::ResourceId>("after");
  fields.finish_closed();
  if (rid) return Answer::json(to_json(services.resources.get(request.caller(), *rid)));
  return page(services.resources.list(request.caller(), filter), static_cast<std::size_t>(limit), after);
}

Answer types(const plugin::Registry& registry, const About& about) {
  const Json host = about.host();
  Json list = Json::array();
  for (const auto* type : registry.resource_types()) list.push_back(describe_type(*type, std::string(model::name(type->kind())), host));
  add_missing_types(list, registry, "resource/");
  return Answer::json({{"types", std::move(list)}});
}

}  // namespace

std::vector<Route> resources_routes(service::Services services, const About& about) {
  const auto& registry = services.registry;
  return {
      {Method::get, "/r/types", Credential::caller, "The resource types that plugins bring, and whether they work here", "",
       [&registry, about](Request&) { return types(registry, about); }},
      {Method::get, "/r", Credential::caller, "The resources that the caller sees; with `rid`, one", "the owning group",
       [services](Request& request) { return show(services, request); }},
      {Method::put, "/r/:type", Credential::caller, "Create a resource of this type", "the group that will own it",
       [services](Request& request) { return create(services, request); },
       [&registry](const std::string& type) { return registry.find_resource_type(type) != nullptr; }},
      {Method::remove, "/r", Credential::caller, "Remove a resource", "the owning group",
       [services](Request& request) { return remove(services, request); }},
  };
}

}  // namespace velocity::rest
