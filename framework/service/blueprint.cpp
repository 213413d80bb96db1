#include "framework/service/blueprint.hpp"

#include <fmt/format.h>

#include "framework/model/error.hpp"
#include "framework/service/references.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Json;

Json displays_document(const std::vector<model::Display>& displays) {
  auto list = Json::array();
  for (const auto& d : displays) list.push_back({{"description", d.description}, {"width", d.width}, {"height", d.height}});
  return list;
}

// A plugin's problems are relative to the options that it was given; the client wants to know where in the request they stand.
template <class Work>
auto with_path(const std::string& prefix, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.problems().empty()) throw;
    auto problems = error.problems();
    for (auto& problem : problems) problem.path = prefix + problem.path;
    throw Error(std::move(problems));
  }
}

void take(std::vector<plugin::PlanFragment> fragments, const std::string& origin, libvirt::DomainParts& parts) {
  for (auto& fragment : fragments) parts.fragments.push_back({std::move(fragment.section), std::move(fragment.xml), origin});
}

}  // namespace

Json host_document(const libvirt::HostFacts& facts) {
  return {{"arch", facts.arch}, {"acceleration", facts.acceleration}, {"domain_type", facts.domain_type}};
}

plugin::Availability availability(const plugin::Type& type, libvirt::Host& host) {
  try {
    return type.host_check(host_document(host.facts()));
  } catch (const Error& error) {
    return {false, error.message()};
  }
}

Blueprint::Blueprint(const plugin::Registry& registry, libvirt::Host& host, const storage::Volumes& volumes, std::filesystem::path nvram,
                     std::filesystem::path console_logs, std::filesystem::path run)
    : registry_(registry), host_(host), volumes_(volumes), nvram_(std::move(nvram)), console_logs_(std::move(console_logs)), run_(std::move(run)) {}

MachineFiles Blueprint::files(model::MachineId id) const { return {nvram_ / (id.text() + ".fd"), console_logs_ / (id.text() + ".log")}; }

std::filesystem::path Blueprint::directory(model::ResourceId id) const { return run_ / id.text(); }

std::string Blueprint::domain_xml(const Picture& picture, const model::Machine& machine) const {
  const auto* type = registry_.find_vm_type(machine.type);
  if (!type) throw Error(ErrorCode::type_unavailable, fmt::format("The plugin of the type \"{}\" is not installed", machine.type));
  const auto facts = host_.facts();
  const auto host = host_document(facts);
  libvirt::DomainParts parts;
  parts.id = machine.id;
  parts.title = machine.name;
  parts.cpu_count = machine.cpu_count;
  parts.memory_mb = machine.memory_mb;
  parts.displays = !machine.displays.empty();
  parts.nvram = files(machine.id).nvram;
  parts.console_log = files(machine.id).console_log;
  parts.run_directory = run_;
  const Json vm{{"vmid", machine.id.text()},
                {"name", machine.name},
                {"cpu_count", machine.cpu_count},
                {"memory_size_mb", machine.memory_mb},
                {"displays", displays_document(machine.displays)}};
  for (const auto& [field, resource] : machine.parts) parts.allowed_files.insert(volumes_.path(resource));
  take(type->plan({{"vm", vm}, {"spec", machine.spec}, {"resources", with_paths(picture, machine.parts, volumes_)}, {"host", host}}), type->info().plugin, parts);
  attach(picture, machine, host, parts);
  return libvirt::domain_xml(parts, facts);
}

void Blueprint::attach(const Picture& picture, const model::Machine& machine, const Json& host, libvirt::DomainParts& parts) const {
  for (const auto* list : {&machine.storage, &machine.nics}) {
    int index = 0;
    for (const auto& attachment : *list) {
      const auto resource = picture.resources.find(attachment.resource);
      if (!resource) throw Error(ErrorCode::resource_not_found, fmt::format("No resource {} is visible to you", attachment.resource.text()));
      const auto* type = registry_.find_resource_type(resource->type);
      if (!type) throw Error(ErrorCode::type_unavailable, fmt::format("The plugin of the type \"{}\" is not installed", resource->type));
      const auto path = volumes_.path(resource->id);
      parts.allowed_files.insert(path);
      parts.allowed_directories.insert(directory(resource->id));
      const Json request{{"rid", resource->id.text()},
                         {"spec", resource->spec},
                         {"path", path.string()},
                         {"directory", directory(resource->id).string()},
                         {"options", attachment.options},
                         {"index", index},
                         {"vm", {{"vmid", machine.id.text()}}},
                         {"host", host}};
      const auto* field = list == &machine.storage ? "/storage_devices/" : "/nics/";
      take(with_path(field + std::to_string(index), [&] { return type->attach(request); }), type->info().plugin, parts);
      ++index;
    }
  }
}

}  // namespace velocity::service
