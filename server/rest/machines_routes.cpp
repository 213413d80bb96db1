// /v: virtual machines and their states.
#include "framework/model/names.hpp"
#include "server/rest/machine_request.hpp"
#include "server/rest/own_fields.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

using model::FieldReader;
using model::MachineState;

constexpr std::int64_t kMaxPage = 1000;
constexpr std::int64_t kMaxLog = 1 << 20;  // bytes
constexpr std::int64_t kMaxWait = 60;      // seconds
constexpr int kAlreadyReported = 208;
constexpr std::size_t kMostIgnored = 20, kLongestIgnored = 100;  // fields and bytes of each that an answer names

model::MachineId read_vmid(FieldReader& fields) { return fields.require("vmid", fields.id<model::MachineId>("vmid")); }

std::optional<MachineState> read_state(FieldReader& fields, const std::vector<MachineState>& accepted) {
  const auto text = fields.text("state");
  if (!text) return std::nullopt;
  const auto state = model::find_named<MachineState>(*text);
  if (state && std::find(accepted.begin(), accepted.end(), *state) != accepted.end()) return state;
  std::string choice;
  for (const auto entry : accepted) choice += (choice.empty() ? "" : ", ") + std::string(model::name(entry));
  fields.note("state", "must be one of " + choice);
  return std::nullopt;
}

// The type of the API's own example lets them stand there.
void add_ignored(std::vector<std::string>& warnings, const std::vector<std::string>& fields) {
  for (std::size_t i = 0; i < fields.size() && i < kMostIgnored; ++i)
    warnings.push_back(fields[i].substr(0, kLongestIgnored) + ": is not a field of this type and was ignored");
  if (fields.size() > kMostIgnored) warnings.push_back("more fields are not of this type and were ignored");
}

Answer create(const service::Services& services, Request& request) {
  const auto& type = request.path.at("type");
  const auto dry_run = read_dry_run(request);
  const auto* known = services.registry.find_vm_type(type);
  auto wanted = read_machine(request.fields, type, known);
  std::vector<std::string> ignored;
  if (known) ignored = unknown_fields(*known, wanted.spec);
  if (dry_run) {
    auto rehearsed = services.machines.rehearse(request.caller(), std::move(wanted));
    add_ignored(rehearsed.warnings, ignored);
    return Answer::json(to_json(rehearsed));
  }
  auto created = services.machines.create(request.caller(), std::move(wanted));
  add_ignored(created.warnings, ignored);
  Json answer{{"vmid", created.id.text()}};
  if (!created.warnings.empty()) answer["warnings"] = created.warnings;
  return Answer::json(answer);
}

Answer remove(const service::Services& services, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = read_vmid(fields);
  fields.finish();
  services.machines.remove(request.caller(), vmid);
  return Answer::empty();
}

service::MachineFilter read_filter(FieldReader& fields) {
  service::MachineFilter filter;
  filter.catalog = fields.id<model::CatalogId>("catalog");
  filter.state = read_state(fields, {MachineState::STOPPED, MachineState::STARTING, MachineState::RUNNING, MachineState::PAUSING,
                                     MachineState::PAUSED, MachineState::RESUMING, MachineState::STOPPING});
  filter.type = fields.text("type");
  filter.name = fields.text("name");
  filter.limit = static_cast<std::size_t>(fields.integer("limit", 1, kMaxPage).value_or(kMaxPage));
  filter.after = fields.id<model::MachineId>("after");
  return filter;
}

Answer show(const service::Services& services, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = fields.id<model::MachineId>("vmid");
  const auto filter = read_filter(fields);
  fields.finish_closed();
  const bool stale = services.inventory.stale();
  Json answer;
  if (vmid) {
    answer = to_json(services.machines.get(request.caller(), *vmid));
  } else {
    const auto page = services.machines.list(request.caller(), filter);
    auto& machines = answer["machines"] = Json::array();
    for (const auto& view : page.machines) machines.push_back(to_json(view));
    if (page.next) answer["next"] = page.next->text();
  }
  if (stale) answer["stale"] = true;
  return Answer::json(answer);
}

Answer state(const service::Services& services, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = read_vmid(fields);
  fields.finish();
  const bool stale = services.inventory.stale();
  const auto runtime = services.machines.state(request.caller(), vmid);
  Json answer{{"vmid", vmid.text()}, {"state", model::name(runtime.state)}};
  if (!runtime.cause.empty()) answer["cause"] = runtime.cause;
  if (stale) answer["stale"] = true;
  return Answer::json(answer);
}

Answer change_state(const service::Services& services, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = read_vmid(fields);
  service::StateChange change;
  const auto target = read_state(fields, {MachineState::STOPPED, MachineState::RUNNING, MachineState::PAUSED});
  change.target = fields.require("state", target);
  change.force = fields.boolean("force").value_or(false);
  change.wait = std::chrono::seconds(fields.integer("wait", 0, kMaxWait).value_or(0));
  fields.finish();
  const auto reached = services.power.change(request.caller(), vmid, change);
  return Answer::json({{"vmid", vmid.text()}, {"state", model::name(reached.state)}}, reached.already ? kAlreadyReported : 200);
}

Answer console_log(const service::Services& services, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = read_vmid(fields);
  const auto tail = fields.integer("tail", 1, kMaxNumber).value_or(kMaxLog);
  fields.finish_closed();
  return Answer::text(services.machines.console_log(request.caller(), vmid, std::min(tail, kMaxLog)));
}

Answer types(const plugin::Registry& registry, const About& about) {
  const Json host = about.host();
  Json list = Json::array();
  for (const auto* type : registry.vm_types()) list.push_back(describe_type(*type, "vm", host));
  add_missing_types(list, registry, "vm/");
  return Answer::json({{"types", std::move(list)}});
}

}  // namespace

std::vector<Route> machines_routes(service::Services services, const About& about) {
  const auto& registry = services.registry;
  return {
      {Method::get, "/v/types", Credential::caller, "The machine types that plugins bring, and whether they work here", "",
       [&registry, about](Request&) { return types(registry, about); }},
      {Method::put, "/v/:type", Credential::caller, "Create a virtual machine of this type", "create; and use of what it is given",
       [services](Request& request) { return create(services, request); },
       [&registry](const std::string& type) { return registry.find_vm_type(type) != nullptr; }},
      {Method::remove, "/v", Credential::caller, "Remove a virtual machine; its disks stay", "remove",
       [services](Request& request) { return remove(services, request); }},
      {Method::get, "/v", Credential::caller, "A page of the virtual machines that the caller sees; with `vmid`, one", "view",
       [services](Request& request) { return show(services, request); }, {}, kFromMemory},
      {Method::get, "/v/state", Credential::caller, "The state of a virtual machine", "any permission on its catalog",
       [services](Request& request) { return state(services, request); }, {}, kFromMemory},
      {Method::post, "/v/state", Credential::caller, "Change the state of a virtual machine", "state",
       [services](Request& request) { return change_state(services, request); }},
      {Method::get, "/v/log", Credential::caller, "What the guest wrote to its serial port", "interact",
       [services](Request& request) { return console_log(services, request); }},
  };
}

}  // namespace velocity::rest
