#include "framework/plugin/loaded_types.hpp"

#include <array>
#include <limits>

#include <fmt/format.h>

#include "framework/model/field_reader.hpp"
#include "framework/model/names.hpp"
#include "framework/plugin/candidate.hpp"
#include "framework/plugin/plan_files.hpp"

namespace velocity::plugin {
namespace {

using model::Error;
using model::ErrorCode;

constexpr std::array<std::string_view, 7> kSections{"os", "cpu", "features", "clock", "sysinfo", "devices", "extensions"};
constexpr std::size_t kMaxFragments = 64;
constexpr std::size_t kMaxFragment = 64 * 1024;
constexpr std::int64_t kMaxCost = std::int64_t{1} << 52;
constexpr std::size_t kMaxFound = 1024;
constexpr std::size_t kMaxFoundId = 256;

Error broken(const std::string& plugin, std::string why) {
  return {ErrorCode::plugin_failed, fmt::format("The plugin {} answered what makes no sense", plugin), std::move(why)};
}

// capabilities.resources: the fields that name resources must stand in the schema, as strings.
std::map<std::string, model::ResourceKind> resources_of(const Json& capabilities, const Json& schema) {
  std::map<std::string, model::ResourceKind> resources;
  const auto declared = capabilities.find("resources");
  if (declared == capabilities.end()) return resources;
  const auto refuse = [](const std::string& why) { return Error(ErrorCode::plugin_failed, "capabilities.resources " + why); };
  if (!declared->is_object()) throw refuse("must be an object");
  const auto properties = schema.value("properties", Json::object());
  for (const auto& [field, what] : declared->items()) {
    const auto property = properties.find(field);
    if (property == properties.end() || !property->is_object() || property->value("type", Json()) != "string")
      throw refuse("names a field that is no string of the schema: " + field);
    const auto kind = what.is_object() ? what.value("kind", Json()) : Json();
    const auto known = kind.is_string() ? model::find_named<model::ResourceKind>(kind.get_ref<const std::string&>()) : std::nullopt;
    if (!known) throw refuse("must give each field a \"kind\": storage or nic");
    resources[field] = *known;
  }
  return resources;
}

std::vector<std::string> confidential_of(const Json& capabilities, const Json& schema) {
  std::vector<std::string> fields;
  const auto declared = capabilities.value("confidential", Json::array());
  const auto properties = schema.value("properties", Json::object());
  if (!declared.is_array()) throw Error(ErrorCode::plugin_failed, "capabilities.confidential must be a list");
  for (const auto& field : declared) {
    if (!field.is_string() || !properties.contains(field.get_ref<const std::string&>()))
      throw Error(ErrorCode::plugin_failed, "capabilities.confidential must name fields of the schema");
    fields.push_back(field.get<std::string>());
  }
  return fields;
}

}  // namespace

template <class Table>
Described describe(const Module& module, const Table& table, const std::string& version) {
  constexpr bool is_resource = std::is_same_v<Table, velocity_resource_type>;
  const auto said = module.call("describe", table.describe, table.self, Json::object());
  model::FieldReader fields(said);
  TypeInfo info;
  info.type = fields.require("type", fields.text("type", 32));
  info.title = fields.require("title", fields.text("title", 128));
  info.plugin = module.name();
  info.version = version;
  info.examples = said.value("examples", Json::array());
  info.capabilities = said.value("capabilities", Json::object());
  if (!is_label(info.type)) fields.note("type", "must be a label");
  if (!info.examples.is_array()) fields.note("examples", "must be a list");
  if (!info.capabilities.is_object()) fields.note("capabilities", "must be an object");
  const auto kind = info.capabilities.is_object() ? info.capabilities.value("kind", Json()) : Json();
  if (is_resource && (!kind.is_string() || !model::find_named<model::ResourceKind>(kind.get<std::string>())))
    fields.note("capabilities", "must have \"kind\": \"storage\" or \"nic\"");
  fields.finish();
  Schema schema(said.value("schema", Json()));
  info.schema = schema.document();
  info.resources = resources_of(info.capabilities, info.schema);
  info.confidential = confidential_of(info.capabilities, info.schema);
  for (const auto& example : info.examples) try {
      schema.normalise(example);
    } catch (const Error& error) {
      throw Error(ErrorCode::plugin_failed, "an example does not fit the schema: " + error.message());
    }
  std::optional<Schema> unprivileged;
  if (const auto declared = info.capabilities.find("unprivileged"); declared != info.capabilities.end()) unprivileged.emplace(*declared);
  return {std::move(info), std::move(schema), std::move(unprivileged)};
}

template Described describe(const Module&, const velocity_vm_type&, const std::string&);
template Described describe(const Module&, const velocity_resource_type&, const std::string&);

std::vector<PlanFragment> fragments_of(const Json& reply, const std::string& plugin) {
  const auto list = reply.find("fragments");
  if (list == reply.end() || !list->is_array() || list->size() > kMaxFragments) throw broken(plugin, "it gave no list of fragments");
  const auto text_in = [](const Json& fragment, const char* field) {  // null: there is none
    const auto member = fragment.is_object() ? fragment.find(field) : fragment.end();
    return member == fragment.end() ? nullptr : member->get_ptr<const std::string*>();
  };
  std::vector<PlanFragment> fragments;
  fragments.reserve(list->size());
  for (const auto& fragment : *list) {
    const auto* section = text_in(fragment, "section");
    const auto* xml = text_in(fragment, "xml");
    if (!section || std::find(kSections.begin(), kSections.end(), *section) == kSections.end()) throw broken(plugin, "a fragment's section is not known");
    if (!xml || xml->size() > kMaxFragment) throw broken(plugin, "a fragment's XML is missing or too long");
    fragments.push_back({*section, *xml});
  }
  return fragments;
}

template <class Base, class Table>
Availability LoadedType<Base, Table>::host_check(const Json& host) const {
  const auto reply = call("host_check", table_.host_check, {{"host", host}});
  const auto available = reply.value("available", Json(true));
  const auto why_not = reply.value("why_not", Json(""));
  if (!available.is_boolean() || !why_not.is_string()) throw broken(module_->name(), "host_check's reply");
  return {available.template get<bool>(), why_not.template get<std::string>()};
}

template <class Base, class Table>
Json LoadedType<Base, Table>::validate(const Json& spec, const Json& resources) const {
  const auto normal = described_.schema.normalise(spec);
  const auto reply = call("validate", table_.validate, {{"spec", normal}, {"resources", resources}}, {{"spec", normal}});
  const auto judged = reply.find("spec");
  if (judged == reply.end()) throw broken(module_->name(), "validate gave no spec");
  try {
    return described_.schema.normalise(*judged);
  } catch (const Error& error) {
    throw broken(module_->name(), "validate gave a spec that does not fit the schema: " + error.message());
  }
}

template <class Base, class Table>
std::vector<model::Problem> LoadedType<Base, Table>::privileged(const Json& spec) const {
  if (!described_.unprivileged) return {};
  try {
    described_.unprivileged->normalise(spec);
    return {};
  } catch (const Error& error) {
    if (error.problems().empty()) throw;
    return error.problems();
  }
}

template class LoadedType<VmType, velocity_vm_type>;
template class LoadedType<ResourceType, velocity_resource_type>;

Plan LoadedVmType::plan(const Json& request) const {
  const auto reply = call("plan", table().plan, request);
  return {fragments_of(reply, info().plugin), files_of(reply, info().plugin)};
}

std::vector<std::string> LoadedVmType::live_changes(const Json& old_spec, const Json& new_spec) const {
  const auto reply = call("update", table().update, {{"old", old_spec}, {"new", new_spec}}, {{"live", Json::array()}});
  const auto live = reply.value("live", Json::array());
  std::vector<std::string> paths;
  if (!live.is_array()) throw broken(info().plugin, "update gave no list");
  for (const auto& path : live) {
    if (!path.is_string()) throw broken(info().plugin, "update gave a path that is no string");
    paths.push_back(path.get<std::string>());
  }
  return paths;
}

model::ResourceKind LoadedResourceType::kind() const {
  return *model::find_named<model::ResourceKind>(info().capabilities.at("kind").get_ref<const std::string&>());  // describe() has checked it
}

std::vector<FoundItem> LoadedResourceType::enumerate(const Json& host) const {
  const auto reply = call("enumerate", table().enumerate, {{"host", host}}, {{"items", Json::array()}});
  const auto items = reply.find("items");
  if (items == reply.end() || !items->is_array() || items->size() > kMaxFound) throw broken(info().plugin, "enumerate gave no list of items");
  std::vector<FoundItem> found;
  for (const auto& item : *items) {
    model::FieldReader fields(item);
    FoundItem next{fields.require("id", fields.text("id", kMaxFoundId)), fields.require("label", fields.name("label")), Json()};
    try {
      fields.finish();
      next.spec = validate(item.value("spec", Json::object()), Json::object());
    } catch (const Error& error) {
      throw broken(info().plugin, "enumerate gave an item that is wrong: " + error.message());
    }
    if (next.id.empty()) throw broken(info().plugin, "enumerate gave an item without an id");
    found.push_back(std::move(next));
  }
  return found;
}

void LoadedResourceType::create(const Json& request) const { call("create", table().create, request); }

void LoadedResourceType::remove(const Json& request) const { call("remove", table().remove, request); }

void LoadedResourceType::alter(const Json& request) const {
  if (!call("alter", table().alter, request, nullptr).is_null()) return;
  // Not offered: who asked must not take it for done.
  std::vector<model::Problem> problems;
  for (const auto& [field, value] : request.at("new").items())
    if (request.at("old").value(field, Json()) != value) problems.push_back({"/" + field, fmt::format("cannot be altered in resources of the type {}", info().type)});
  if (problems.empty()) problems.push_back({"", fmt::format("resources of the type {} cannot be altered", info().type)});
  throw Error(std::move(problems));
}

Json LoadedResourceType::inspect(const Json& request) const { return call("inspect", table().inspect, request); }

std::vector<PlanFragment> LoadedResourceType::attach(const Json& request) const {
  return fragments_of(call("attach", table().attach, request), info().plugin);
}

std::map<std::string, std::int64_t> LoadedResourceType::cost(const Json& spec) const {
  std::map<std::string, std::int64_t> costs;
  const auto reply = call("cost", table().cost, {{"spec", spec}});
  model::FieldReader fields(reply);
  for (const auto& [dimension, ignored] : reply.items())
    if (const auto amount = fields.integer(dimension, 0, kMaxCost)) costs[dimension] = *amount;
  try {
    fields.finish();
  } catch (const Error& error) {
    throw broken(info().plugin, "cost: " + error.message());
  }
  return costs;
}

}  // namespace velocity::plugin
