#include "framework/service/blueprint.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "framework/model/error.hpp"
#include "framework/service/found_resources.hpp"
#include "framework/service/machine_checks.hpp"
#include "framework/service/references.hpp"
#include "framework/service/volume_use.hpp"

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

// The image's file may be used, and the core alone says what lies below it.
void allow_image(const Picture& picture, const storage::Volumes& volumes, model::ResourceId id, libvirt::DomainParts& parts) {
  parts.allowed_files.insert(volumes.path(id));
  if (volumes.is_device(id)) parts.devices.insert(volumes.path(id));
  const auto chain = chain_of(picture, id);
  for (std::size_t i = 1; i < chain.size(); ++i)
    parts.backing[volumes.path(id)].push_back({volumes.path(chain[i].id), storage::driver_of(chain[i].format)});
}

void take(std::vector<plugin::PlanFragment> fragments, const std::string& origin, libvirt::DomainParts& parts, bool attached = false) {
  for (auto& fragment : fragments) parts.fragments.push_back({std::move(fragment.section), std::move(fragment.xml), origin, attached});
}

}  // namespace

Json host_document(const libvirt::HostFacts& facts) {
  // A libvirtd is; what we run ourselves is what we are.
  const bool privileged = !facts.embedded || ::geteuid() == 0;
  return {{"arch", facts.arch}, {"acceleration", facts.acceleration}, {"domain_type", facts.domain_type}, {"privileged", privileged}};
}

plugin::Availability availability(const plugin::Type& type, libvirt::Host& host) {
  try {
    return type.host_check(host_document(host.facts()));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::hypervisor_unavailable) throw;  // that says nothing of the type
    return {false, error.message()};
  }
}

Blueprint::Blueprint(const plugin::Registry& registry, libvirt::Host& host, const storage::Volumes& volumes, std::filesystem::path nvram,
                     std::filesystem::path console_logs, std::filesystem::path run, std::filesystem::path machines)
    : registry_(registry), host_(host), volumes_(volumes), nvram_(std::move(nvram)), console_logs_(std::move(console_logs)), run_(std::move(run)), machines_(std::move(machines)) {}

MachineFiles Blueprint::files(model::MachineId id) const {
  return {nvram_ / (id.text() + ".fd"), console_logs_ / (id.text() + ".log"), machines_ / id.text()};
}

std::filesystem::path Blueprint::directory(model::ResourceId id) const { return run_ / id.text(); }

std::filesystem::path Blueprint::variables(model::SnapshotId id) const { return nvram_ / (id.text() + ".fd"); }

plugin::Plan Blueprint::plan(const Picture& picture, const model::Machine& machine, const plugin::VmType& type, const Json& host) const {
  const Json vm{{"vmid", machine.id.text()},
                {"name", machine.name},
                {"cpu_count", machine.cpu_count},
                {"memory_size_mb", machine.memory_mb},
                {"displays", displays_document(machine.displays)},
                {"directory", files(machine.id).directory.string()}};
  return type.plan({{"vm", vm}, {"spec", machine.spec}, {"resources", with_paths(picture, machine.parts, volumes_)}, {"host", host}});
}

void Blueprint::check_volumes(const Picture& picture, const model::Machine& machine) const {
  const auto check = [&](model::ResourceId id) {
    const auto image = picture.resources.find(id);
    if (!image || image->kind != model::ResourceKind::storage || volumes_.is_remote(id) || !volumes_.exists(id)) return;
    try {
      for (auto chain = chain_of(picture, id); !chain.empty(); chain.erase(chain.begin())) volumes_.inspect(chain);
    } catch (const Error& error) {
      throw Error(ErrorCode::storage_failed, fmt::format("The disk {} is not as it was left", id.text()), fmt::format("{}: {} {}", id.text(), error.message(), error.detail()))
          .with("rid", id.text());
    }
  };
  for (const auto& attachment : machine.storage) check(attachment.resource);
  for (const auto& [field, resource] : machine.parts) check(resource);
}

std::vector<plugin::PlanFile> Blueprint::plan_files(const Picture& picture, const model::Machine& machine) const {
  const auto& type = get_vm_type(registry_, machine);
  return plan(picture, machine, type, host_document(host_.facts())).files;
}

std::string Blueprint::domain_xml(const Picture& picture, const model::Machine& machine) const {
  const auto drawn = draw(picture, machine);
  return libvirt::domain_xml(drawn.parts, drawn.facts);
}

std::vector<AttachedDevice> Blueprint::devices(const Picture& picture, const model::Machine& machine) const {
  const auto drawn = draw(picture, machine);
  std::vector<AttachedDevice> devices;
  for (const auto* list : {&machine.storage, &machine.nics})
    for (const auto& attachment : *list) {
      AttachedDevice device;
      device.resource = attachment.resource;
      device.kind = list == &machine.storage ? model::ResourceKind::storage : model::ResourceKind::nic;
      device.options = attachment.options;
      const auto resource = picture.resources.find(attachment.resource);
      device.guarded = drawn.facts.embedded && resource && !resource->found.empty();
      const auto first = drawn.device_fragments.at(devices.size());
      // What is not one disk or NIC alone cannot be plugged in.
      const bool alone = drawn.device_fragments.at(devices.size() + 1) == first + 1 && drawn.parts.fragments[first].section == "devices";
      const auto xml = alone ? libvirt::device_xml(drawn.parts, first) : std::vector<std::string>();
      const auto found = xml.size() == 1 ? libvirt::find_device(xml.front()) : std::nullopt;
      if (found) {
        device.xml = xml.front();
        device.device = *found;
      }
      devices.push_back(std::move(device));
    }
  return devices;
}

Blueprint::Drawn Blueprint::draw(const Picture& picture, const model::Machine& machine) const {
  const auto& type = get_vm_type(registry_, machine);
  Drawn drawn;
  drawn.facts = host_.facts();
  const auto host = host_document(drawn.facts);
  auto& parts = drawn.parts;
  parts.id = machine.id;
  parts.title = machine.name;
  parts.cpu_count = machine.cpu_count;
  parts.memory_mb = machine.memory_mb;
  parts.displays = !machine.displays.empty();
  parts.nvram = files(machine.id).nvram;
  parts.console_log = files(machine.id).console_log;
  parts.run_directory = run_;
  parts.guarding = libvirt::guarding_of(drawn.facts);
  for (const auto& [field, resource] : machine.parts) allow_image(picture, volumes_, resource, parts);
  auto planned = plan(picture, machine, type, host);
  for (const auto& file : planned.files) {
    const bool image = std::holds_alternative<plugin::IsoImage>(file.content);
    (image ? parts.allowed_files : parts.allowed_configurations).insert(files(machine.id).directory / file.name);
  }
  take(std::move(planned.fragments), type.info().plugin, parts);
  attach(picture, machine, host, drawn);
  return drawn;
}

void Blueprint::attach(const Picture& picture, const model::Machine& machine, const Json& host, Drawn& drawn) const {
  auto& parts = drawn.parts;
  for (const auto* list : {&machine.storage, &machine.nics}) {
    int index = 0;
    for (const auto& attachment : *list) {
      const auto resource = picture.resources.find(attachment.resource);
      if (!resource) throw Error(ErrorCode::resource_not_found, fmt::format("No resource {} is visible to you", attachment.resource.text()));
      const auto* type = registry_.find_resource_type(resource->type);
      if (!type) throw Error(ErrorCode::type_unavailable, fmt::format("The plugin of the type \"{}\" is not installed", resource->type));
      const auto path = volumes_.path(resource->id);
      allow_image(picture, volumes_, resource->id, parts);
      parts.allowed_directories.insert(directory(resource->id));
      if (const auto name = host_interface(*resource)) parts.allowed_interfaces.insert(*name);
      const Json request{{"rid", resource->id.text()},
                         {"spec", resource->spec},
                         {"path", path.string()},
                         {"directory", directory(resource->id).string()},
                         {"options", attachment.options},
                         {"index", index},
                         {"vm", {{"vmid", machine.id.text()}}},
                         {"host", host}};
      const auto* field = list == &machine.storage ? "/storage_devices/" : "/nics/";
      drawn.device_fragments.push_back(parts.fragments.size());
      take(with_path(field + std::to_string(index), [&] { return type->attach(request); }), type->info().plugin, parts, true);
      ++index;
    }
  }
  drawn.device_fragments.push_back(parts.fragments.size());
}

}  // namespace velocity::service
