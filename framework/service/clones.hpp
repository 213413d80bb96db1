// Making a machine after the likeness of another. Included by the routes of /v/clone and the recovery.
#pragma once

#include <memory>
#include <semaphore>
#include <string>

#include "framework/service/machines.hpp"
#include "framework/service/resources.hpp"

namespace velocity::service {

struct CloneWish {
  model::MachineId source;
  std::string name;
  model::CatalogId catalog;
  bool linked = false;  // its disks hold only what differs from those of the source
};

// What a clone would have been.
struct RehearsedClone {
  Rehearsed machine;  // with the disks that it would share
  std::vector<ResourceView> disks;  // that would be made for it
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
  RehearsedClone rehearse(const Caller& caller, const CloneWish& wish);  // all of that, and nothing is changed

  void settle(model::MachineId id);  // removes the disks of a clone that was cut short; the machine itself is the removal's. The caller holds its turn

 private:
  struct Release {
    void operator()(std::counting_semaphore<2>* working) const { working->release(); }
  };
  // The disk that is made for the clone as the copy of one of the source's.
  struct Copy {
    model::Gid group;
    std::string label;
    nlohmann::json spec;
  };
  using Row = std::shared_ptr<const model::Machine>;
  Row clonable_source(const Picture& picture, const Caller& caller, model::MachineId id) const;
  static Copy copy_of_disk(const Picture& picture, const Caller& caller, const CloneWish& wish, const model::Resource& disk, std::size_t place);
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
