// Removing things that reach beyond the database, together with all that hangs on them. First everything is marked `deleting` in one
// transaction, then the side effects are done (each may be done twice), then the rows go. Included by the services
// that remove, and by the recovery, which rolls on what was left half-way.
#pragma once

#include <vector>

#include "framework/libvirt/host.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/access.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/turns.hpp"

namespace velocity::service {

struct Doomed {
  std::vector<model::MachineId> machines;
  std::vector<model::ResourceId> resources;
  std::vector<model::UploadId> uploads;
  std::vector<model::CatalogId> catalogs;
  std::vector<model::Gid> groups;
};

// Thread-safe. carry_out() takes the turn of each thing that it removes; whoever calls undo() holds it already.
class Removal {
 public:
  Removal(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host, const Blueprint& blueprint,
          storage::Volumes& volumes, Turns& turns, std::filesystem::path incoming);

  // Inside a change: mark the thing and what hangs on it. resource_in_use with `vmid` when a machine that stays uses a resource that would go.
  Doomed mark(Change& change, const Authorized<model::Machine>& machine) const;
  Doomed mark(Change& change, const Authorized<model::Resource>& resource) const;
  Doomed mark(Change& change, const Authorized<model::Catalog>& catalog) const;
  Doomed mark_group(Change& change, model::Gid gid) const;  // who manages users may remove any group

  // After the change. When it throws, the rest is done by the recovery.
  void carry_out(const Doomed& doomed);
  Doomed left_over() const;  // all that is marked, and what was being created when the server died

  // Takes back a creation that failed: its side effects, then its row. Never throws: what cannot be taken back now is left to the recovery.
  void undo(const model::Machine& machine) noexcept;
  void undo(const model::Resource& resource) noexcept;

  void require_hypervisor() const;  // hypervisor_unavailable: so that nothing is marked that could not be done now

 private:
  void remove_effects(model::MachineId id) const;
  void remove_effects(const model::Resource& resource) const;
  Inventory& inventory_;
  const plugin::Registry& registry_;
  libvirt::Host& host_;
  const Blueprint& blueprint_;
  storage::Volumes& volumes_;
  Turns& turns_;
  std::filesystem::path incoming_;
};

}  // namespace velocity::service
