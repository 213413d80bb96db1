// A machine as it was at one moment: taking, going back, removing. Included by the routes of /v/snapshot and the recovery.
#pragma once

#include <map>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "framework/plugin/registry.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/snapshot_effects.hpp"
#include "framework/service/turns.hpp"

namespace velocity::service {

// Thread-safe; one change at a time for each machine, two at once in all.
// Of a stopped machine: a snapshot inside each disk that it writes, and a copy of its firmware variables. Of a running one the memory as well,
// by the hypervisor. The row of a snapshot that is not `ready` is the journal: what is left half-way is removed. Going back stands in the
// machine's `altering`, with what the machine was before. What fails before anything was changed is taken back, and what was cut short is
// finished; but a machine that has its memory is never put back to another moment later than it was asked for.
// Errors: machine_not_found, machine_denied, machine_busy, snapshot_not_found, snapshot_name_taken, snapshot_impossible,
// machine_running, resource_in_use, resource_not_found, hypervisor_unavailable, server_busy.
class Snapshots {
 public:
  Snapshots(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host, const Blueprint& blueprint, storage::Volumes& volumes, Turns& turns);

  std::vector<std::shared_ptr<const model::Snapshot>> list(const Caller& caller, model::MachineId id) const;  // the oldest first
  std::shared_ptr<const model::Snapshot> take(const Caller& caller, model::MachineId id, const std::string& name);
  // A machine with its memory is in the state then that it had; others stay stopped. Name, catalog and autostart stay as they are.
  void revert(const Caller& caller, model::MachineId id, const std::string& name);
  void remove(const Caller& caller, model::MachineId id, const std::string& name);

  void settle(model::MachineId id);  // finishes what was left half-way of this machine's, as far as is possible now. The caller holds its turn

 private:
  // One of those at work: a snapshot may take minutes, and the workers are for all.
  struct Release {
    void operator()(std::counting_semaphore<2>* working) const { working->release(); }
  };
  using Working = std::unique_ptr<std::counting_semaphore<2>, Release>;

  Working begin(const Caller& caller, model::MachineId id);
  model::Machine ready_machine(const Caller& caller, model::MachineId id);
  void go_back(model::Machine row, const model::Snapshot& snapshot, bool& begun);
  void finish(const model::Machine& row, const model::Snapshot& snapshot, const std::map<model::ResourceId, std::int64_t>& sizes);
  void take_back(const model::Machine& row);
  void settle_revert(const Picture& picture, const model::Machine& row);
  std::vector<model::Resource> resized(const Picture& picture, const std::map<model::ResourceId, std::int64_t>& sizes) const;
  void remove_effects(const model::Snapshot& snapshot);
  void commit(const model::Snapshot& snapshot);
  Inventory& inventory_;
  const plugin::Registry& registry_;
  libvirt::Host& host_;
  const Blueprint& blueprint_;
  SnapshotEffects effects_;
  Turns& turns_;
  std::counting_semaphore<2> working_{2};
};

}  // namespace velocity::service
