// Altering a machine that exists, running or not. Included by the routes of /v and the recovery.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/service/live_plan.hpp"
#include "framework/service/machines.hpp"

namespace velocity::service {

// What is to be different; what is absent stays.
struct MachineChange {
  std::optional<std::string> name;
  std::optional<model::CatalogId> catalog;
  std::optional<int> cpu_count;
  std::optional<int> memory_mb;
  std::optional<std::vector<model::Display>> displays;
  std::optional<std::vector<model::Attachment>> storage;
  std::optional<std::vector<model::Attachment>> nics;
  std::optional<bool> autostart;
  std::optional<bool> rosetta;
  nlohmann::json own = nlohmann::json::object();  // of the type's own fields; null: as if it had never been said
};

struct Altered {
  MachineView view;
  std::map<std::string, bool> changes;  // each field that is different now: whether the running machine follows already
  std::vector<std::string> warnings;
  std::string domain_xml{};  // what a rehearsal would have defined; for members of root
};

// Thread-safe; one change at a time for each machine.
// The journal is the row itself: `altering` holds what the machine was, and the row has the disks and NICs of both, so that nobody else is given
// one. An alteration that was not acknowledged is taken back, by this process or by the next.
class Alterations {
 public:
  Alterations(Inventory& inventory, const plugin::Registry& registry, const Blueprint& blueprint, libvirt::Host& host, const storage::Volumes& volumes,
              Removal& removal, Turns& turns, const Machines& machines);

  // As Machines::create(), and machine_denied, machine_not_found, machine_busy; machine_boot_disk, machine_running and resource_in_use
  // with the `rid` that cannot be taken out now.
  Altered alter(const Caller& caller, model::MachineId id, const MachineChange& change);
  // All of that but the change: rights, fields, quota and hypervisor are asked, and nothing is changed. The answer is what the machine would
  // be. Whether a guest lets a device go, only doing it tells.
  Altered rehearse(const Caller& caller, model::MachineId id, const MachineChange& change);

  // Takes back what was left half-way, as far as the guest lets it; what then remains is for the next time. The caller holds the machine's turn.
  void settle(model::MachineId id);

 private:
  struct Prepared {
    std::shared_ptr<const Picture> picture;  // that it was prepared upon
    std::shared_ptr<const model::Machine> now;
    model::Machine wanted;
    Altered altered;  // with what differs
    std::string domain_xml;  // empty when nothing does
    LivePlan plan;
  };
  Prepared prepare(const Caller& caller, model::MachineId id, const MachineChange& change) const;
  model::Machine planned(const model::Machine& now, const MachineChange& change) const;
  void put_intent(Change& change, const Caller& caller, const model::Machine& wanted) const;
  void commit_outcome(model::Machine row);
  void carry_out(const model::Machine& wanted, const LivePlan& plan, Altered& altered);
  bool do_step(model::MachineId id, const LiveStep& step, Altered& altered);
  Inventory& inventory_;
  const plugin::Registry& registry_;
  const Blueprint& blueprint_;
  libvirt::Host& host_;
  const storage::Volumes& volumes_;
  Removal& removal_;
  Turns& turns_;
  const Machines& machines_;
};

}  // namespace velocity::service
