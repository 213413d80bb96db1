#include "framework/service/machine_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "framework/model/mac_address.hpp"
#include "framework/service/access.hpp"
#include "framework/service/volume_use.hpp"

namespace velocity::service {
namespace {

using model::Attachment;
using model::Error;
using model::ErrorCode;
using model::Machine;
using model::Permission;
using model::Resource;
using model::ResourceId;
using model::ResourceKind;

// The API's 404 for anything that a machine refers to.
Error not_found(ErrorCode code, std::string_view type, const std::string& rid) {
  return Error(code, fmt::format("No {} {} is visible to you", type, rid)).with("type", std::string(type)).with("rid", rid);
}

// What a machine boots from is read by it alone.
Attachment as_part(ResourceId id) { return {id, {{"readonly", true}}}; }

const std::vector<Attachment>& list_of(const Machine& machine, ResourceKind kind) { return kind == ResourceKind::storage ? machine.storage : machine.nics; }

// Whether the machine has it already, and may do no more with it than before: what it reads does not become writable by an alteration.
bool keeps(const Machine& machine, const Resource& resource, const Attachment& wanted) {
  const bool more = writes(resource, wanted);
  const auto& list = list_of(machine, resource.kind);
  const bool listed = std::any_of(list.begin(), list.end(), [&](const Attachment& has) {
    return has.resource == resource.id && (!more || writes(resource, has));
  });
  return listed || (!more && std::any_of(machine.parts.begin(), machine.parts.end(), [&](const auto& part) { return part.second == resource.id; }));
}

class Check {
 public:
  // now: null for a machine that is not there yet.
  Check(const plugin::Registry& registry, const Picture& picture, const Caller& caller, const Machine* now)
      : registry_(registry), picture_(picture), access_(picture, caller), now_(now) {}

  void run(const Machine& wanted) const {
    const auto& type = get_vm_type(registry_, wanted).info();
    if (!now_ || now_->catalog != wanted.catalog) check_catalog(wanted.catalog);
    std::set<ResourceId> seen;
    for (const auto kind : {ResourceKind::storage, ResourceKind::nic})
      for (const auto& attachment : list_of(wanted, kind)) {
        check_attachment(attachment, kind);
        if (!seen.insert(attachment.resource).second)
          throw Error(std::vector<model::Problem>{
              {kind == ResourceKind::storage ? "/storage_devices" : "/nics", "has the resource " + attachment.resource.text() + " twice"}});
      }
    check_addresses(wanted);
    for (const auto& [field, resource] : wanted.parts) check_attachment(as_part(resource), type.resources.at(field));
    const auto other = picture_.machine_names.find({wanted.catalog, wanted.name});
    if (other && (!now_ || *other != now_->id))
      throw Error(ErrorCode::machine_name_taken, fmt::format("The catalog has a virtual machine \"{}\" already", wanted.name)).with("vmid", other->text());
  }

 private:
  void check_catalog(model::CatalogId id) const {
    try {
      access_.catalog(id, Permission::create);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::catalog_not_found) throw catalog_not_found(id);
      throw;
    }
  }

  void check_attachment(const Attachment& attachment, ResourceKind kind) const {
    const auto resource = picture_.resources.find(attachment.resource);
    if (!resource || resource->kind != kind || !(access_.sees(*resource) || (now_ && keeps(*now_, *resource, attachment))))
      throw resource_not_found(kind, attachment.resource);
    if (writes(*resource, attachment)) require_no_overlay(picture_, resource->id);
    picture_.uses.visit_from({resource->id, model::MachineId()}, [&](const Picture::Use& use, const auto& other) {
      if (use.first != resource->id) return false;
      if (now_ && use.second == now_->id) return true;
      if (writes(*resource, attachment) || writes(*resource, *other) || exclusive(*resource))
        throw Error(ErrorCode::resource_in_use, fmt::format("The virtual machine {} uses the resource {}", use.second.text(), resource->id.text()))
            .with("vmid", use.second.text())
            .with("rid", resource->id.text());
      return true;
    });
  }

  // On the host's network an address is one machine's alone: its frames would go to whoever else had it.
  void check_addresses(const Machine& wanted) const {
    std::set<std::string> addresses;
    for (const auto& nic : wanted.nics) {
      const auto resource = picture_.resources.find(nic.resource);
      const auto address = nic.options.value("mac_address", "");
      if (!resource || resource->found.empty() || address.empty() || (now_ && has_address(*now_, address))) continue;
      if (!addresses.insert(address).second) throw address_taken(address);
    }
    if (addresses.empty()) return;
    picture_.resources.visit_all([&](const auto& id, const auto& resource) {
      if (resource->found.empty()) return;
      const auto own = resource->spec.value("mac_address", "");
      if (addresses.count(own) > 0) throw address_taken(own);
      picture_.uses.visit_from({id, model::MachineId()}, [&](const Picture::Use& use, const auto& other) {
        if (use.first != id) return false;
        if (now_ && use.second == now_->id) return true;
        const auto address = other->options.value("mac_address", "");
        if (addresses.count(address) > 0) throw address_taken(address);
        return true;
      });
    });
  }

  bool has_address(const Machine& machine, const std::string& address) const {
    return std::any_of(machine.nics.begin(), machine.nics.end(), [&](const auto& nic) {
      const auto resource = picture_.resources.find(nic.resource);
      return resource && !resource->found.empty() && nic.options.value("mac_address", "") == address;
    });
  }

  // Whose it is, is nobody's business who may not see it.
  static Error address_taken(const std::string& address) {
    return Error(ErrorCode::resource_in_use, fmt::format("The Ethernet address {} is in use on the host's network already", address)).with("mac_address", address);
  }

  // A socket has one guest behind it.
  bool exclusive(const model::Resource& resource) const {
    const auto* type = registry_.find_resource_type(resource.type);
    return type && type->info().capabilities.value("exclusive", nlohmann::json()) == true;
  }

  const plugin::Registry& registry_;
  const Picture& picture_;
  const Access access_;
  const Machine* now_;
};

}  // namespace

Error machine_not_found(model::MachineId id) {
  return Error(ErrorCode::machine_not_found, fmt::format("No virtual machine {} is visible to you", id.text()));
}

Error catalog_not_found(model::CatalogId id) { return not_found(ErrorCode::catalog_not_found, "catalog", id.text()); }

Error resource_not_found(ResourceKind kind, ResourceId id) {
  return not_found(ErrorCode::resource_not_found, kind == ResourceKind::storage ? "storage" : "nic", id.text());
}

const plugin::VmType& get_vm_type(const plugin::Registry& registry, const Machine& machine) {
  const auto* type = registry.find_vm_type(machine.type);
  if (!type)
    throw Error(ErrorCode::type_unavailable, fmt::format("The plugin {}, which brings the type \"{}\", is not installed", machine.plugin, machine.type))
        .with("plugin", machine.plugin);
  return *type;
}

bool writes(const model::Resource& resource, const Attachment& attachment) {
  const auto on = [&](const char* option) {
    const auto found = attachment.options.find(option);
    return found != attachment.options.end() && *found == true;
  };
  const auto format = resource.spec.find("format");
  const bool iso = format != resource.spec.end() && *format == "iso";
  return resource.kind == ResourceKind::storage && !iso && !on("readonly") && !on("cdrom");
}

void give_addresses(std::vector<Attachment>& nics) {
  for (auto& nic : nics)
    if (!nic.options.contains("mac_address")) nic.options["mac_address"] = model::random_mac_address();
}

void check_creation(const plugin::Registry& registry, const Picture& picture, const Caller& caller, const Machine& wanted) {
  Check(registry, picture, caller, nullptr).run(wanted);
}

void check_alteration(const plugin::Registry& registry, const Picture& picture, const Caller& caller, const Machine& now, const Machine& wanted) {
  Check(registry, picture, caller, &now).run(wanted);
}

void check_boot_order(const Machine& wanted) {
  std::vector<model::Problem> problems;
  std::set<nlohmann::json> taken;
  for (const auto* list : {&wanted.storage, &wanted.nics})
    for (std::size_t i = 0; i < list->size(); ++i) {
      const auto boot = (*list)[i].options.find("boot");
      if (boot == (*list)[i].options.end() || taken.insert(*boot).second) continue;
      problems.push_back({fmt::format("/{}/{}/boot", list == &wanted.storage ? "storage_devices" : "nics", i), "stands at another device already"});
    }
  if (!problems.empty()) throw Error(std::move(problems));
}

}  // namespace velocity::service
