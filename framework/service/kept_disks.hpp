// Which disks a snapshot keeps a state of. Included by the services that take snapshots and that take disks away.
#pragma once

#include <memory>
#include <vector>

#include "framework/service/inventory.hpp"

namespace velocity::service {

// The disks of which the snapshot keeps a state, as far as they still exist.
std::vector<std::shared_ptr<const model::Resource>> kept_disks(const Picture& picture, const model::Snapshot& snapshot);

// What is in the way of keeping this machine's disks: snapshot_impossible with `rid`.
void require_snapshots(const Picture& picture, const model::Machine& machine);

// A disk of which a snapshot keeps a state stays where the snapshot can be gone back to: resource_in_use with `rid` when `wanted` is without it.
void require_kept_disks(const Picture& picture, const model::Machine& wanted);

}  // namespace velocity::service
