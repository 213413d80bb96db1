// Making a machine after the likeness of another. Included by the routes of /v/clone and the recovery.
#pragma once

#include <memory>
#include <semaphore>
#include <string>

#include "framework/service/machines.hpp"

namespace velocity::service {

class Resources;

struct CloneWish {
  model::MachineId source;
  std::string name;
  model::CatalogId catalog;
  bool linked = false;  // its disks hold only what differs from those of the source
};

// Thread-safe; two at once. The clone has copies of the disks that the source writes, the same of those that it only reads, new addresses for
// its NICs, and a copy of the firmware's variables. It does not start by itself.
// The journal is the new machine's row in phase `creating`, which names the disks that are made for it.
class Clones {
 public:
  Clones(Inventory& inventory, const plugin::Registry& registry, const Blueprint& blueprint, libvirt::Host& host, Resources& resources, Removal& removal,
         Turns& turns);

  // Errors as of creating a machine and disks, and machine_not_found, machine_denied, machine_running, type_unavailable with `rid`,
  // server_busy.
  Created clone(const Caller& caller, const CloneWish& wish);

  void settle(model::MachineId id);  // removes the disks of a clone that was cut short; the machine itself is the removal's. The caller holds its turn

 private:
  struct Release {
    void operator()(std::counting_semaphore<2>* working) const { working->release(); }
  };
  model::Machine copy_of(const Picture& picture, const CloneWish& wish, const model::Machine& source) const;
  void make(const Caller& caller, const CloneWish& wish, const model::Machine& source, model::Machine machine);
  void take_back_disks(const model::Machine& machine) noexcept;
  Inventory& inventory_;
  const plugin::Registry& registry_;
  const Blueprint& blueprint_;
  libvirt::Host& host_;
  Resources& resources_;
  Removal& removal_;
  Turns& turns_;
  std::counting_semaphore<2> working_{2};
};

}  // namespace velocity::service
