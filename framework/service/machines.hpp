// Virtual machines: making, showing, removing. Changing their state is in power.hpp. Included by the routes of /v.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framework/model/machine.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

class Access;
class Removal;
class Turns;

struct Created {
  model::MachineId id;
  std::vector<std::string> warnings;
};

struct MachineView {
  std::shared_ptr<const model::Machine> machine;  // without what its type calls confidential, unless the caller may alter it
  model::Runtime runtime;
  bool available = true;       // false: the plugin of its type is not loaded
  std::string why_not;
};

// What a creation would have made.
struct Rehearsed {
  MachineView machine;
  std::vector<std::string> warnings;
  std::string domain_xml;  // for members of root
};

struct MachineFilter {
  std::optional<model::CatalogId> catalog;
  std::optional<model::MachineState> state;
  std::optional<std::string> type;
  std::optional<std::string> name;
  std::size_t limit = 1000;
  std::optional<model::MachineId> after;  // pages are in the order of the ids
};

struct MachinePage {
  std::vector<MachineView> machines;
  std::optional<model::MachineId> next;  // pass as `after` for the next page
};

// Thread-safe. Reads are answered from memory: no libvirt call, no process, no database access.
// Errors: machine_not_found for what the caller does not see (no permission at all on its catalog), machine_denied for a missing permission.
class Machines {
 public:
  Machines(Inventory& inventory, const plugin::Registry& registry, const Blueprint& blueprint, libvirt::Host& host, const storage::Volumes& volumes,
           Removal& removal, Turns& turns);

  // `wanted` has all but id, phase and created; its spec is the type's own fields as the request had them. Errors: type_not_found, type_unavailable,
  // catalog_not_found and resource_not_found with `type` and `rid`, catalog_denied, machine_name_taken with `vmid`, resource_in_use, request_invalid.
  Created create(const Caller& caller, model::Machine wanted);
  // All of that but the machine: rights, schema, quota and hypervisor are asked, and nothing is changed.
  Rehearsed rehearse(const Caller& caller, model::Machine wanted);
  void remove(const Caller& caller, model::MachineId id);
  MachineView get(const Caller& caller, model::MachineId id) const;
  MachinePage list(const Caller& caller, const MachineFilter& filter) const;
  model::Runtime state(const Caller& caller, model::MachineId id) const;

  // What the guest wrote to its serial port: the last `tail` bytes of what is kept.
  std::string console_log(const Caller& caller, model::MachineId id, std::int64_t tail) const;

  // For services that have authorised already. What is confidential is left out for who may not alter it.
  MachineView view(const Picture& picture, const Access& access, std::shared_ptr<const model::Machine> machine) const;

 private:
  struct Prepared {
    const plugin::VmType* type;
    model::Machine machine;  // in phase creating, with all that is decided now
    std::string domain_xml;
  };
  Prepared prepare(const Caller& caller, model::Machine wanted) const;
  Inventory& inventory_;
  const plugin::Registry& registry_;
  const Blueprint& blueprint_;
  libvirt::Host& host_;
  const storage::Volumes& volumes_;
  Removal& removal_;
  Turns& turns_;
};

}  // namespace velocity::service
