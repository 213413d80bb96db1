// What must hold for a machine to be made, altered, gone back to or copied. Included by the services that do so.
#pragma once

#include "framework/model/error.hpp"
#include "framework/model/machine.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

inline constexpr const char* kNoRosetta = "rosetta: x86 translation is not available on this host; the virtual machine is without it";

// The errors in their one spelling.
model::Error machine_not_found(model::MachineId id);
model::Error catalog_not_found(model::CatalogId id);
model::Error resource_not_found(model::ResourceKind kind, model::ResourceId id);

const plugin::VmType& get_vm_type(const plugin::Registry& registry, const model::Machine& machine);  // type_unavailable when its plugin is gone

// Whether the guest may write to it: then it belongs to one machine at a time.
bool writes(const model::Resource& resource, const model::Attachment& attachment);

// A NIC keeps its address for as long as the machine has it, whatever is made anew.
void give_addresses(std::vector<model::Attachment>& nics);

// Errors: catalog_not_found, catalog_denied, resource_not_found, resource_in_use (an Ethernet address of the host's network too), machine_name_taken, request_invalid.
void check_creation(const plugin::Registry& registry, const Picture& picture, const Caller& caller, const model::Machine& wanted);

// The same for what is different. What the machine has already, whoever alters it may leave there.
void check_alteration(const plugin::Registry& registry, const Picture& picture, const Caller& caller, const model::Machine& now,
                      const model::Machine& wanted);

// A place in the boot order is for one device: request_invalid.
void check_boot_order(const model::Machine& wanted);

}  // namespace velocity::service
