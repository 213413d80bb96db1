// What a snapshot is on disk: one inside each qcow2 disk, and a copy of the firmware variables. Included by the services that take snapshots,
// go back to them, and remove them with or without their machine.
#pragma once

#include <map>
#include <vector>

#include "framework/service/blueprint.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

// Every function may be done again after it was cut short. Errors: storage_full, storage_failed, image_*, resource_in_use when a guest has a disk open.
class SnapshotEffects {
 public:
  SnapshotEffects(storage::Volumes& volumes, const Blueprint& blueprint) : volumes_(volumes), blueprint_(blueprint) {}

  void take(const Picture& picture, const model::Snapshot& snapshot) const;
  // What going back would make of the disks' sizes, bytes. Throws what is known to be in its way, and changes nothing.
  std::map<model::ResourceId, std::int64_t> sizes_then(const Picture& picture, const model::Snapshot& snapshot) const;
  // The disks' sizes now, bytes. When it throws and `begun` is not set, nothing has been changed.
  std::map<model::ResourceId, std::int64_t> go_back(const Picture& picture, const model::Snapshot& snapshot, bool& begun) const;
  void remove(const Picture& picture, const model::Snapshot& snapshot) const;

 private:
  storage::Volumes& volumes_;
  const Blueprint& blueprint_;
};

}  // namespace velocity::service
