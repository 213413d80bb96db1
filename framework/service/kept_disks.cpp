#include "framework/service/kept_disks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/service/machine_checks.hpp"
#include "framework/service/machine_document.hpp"
#include "framework/service/pools.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

bool is_qcow2(const model::Resource& resource) {
  const auto format = resource.spec.find("format");
  return format != resource.spec.end() && *format == "qcow2";
}

model::Machine machine_then(const model::Snapshot& snapshot) {
  model::Machine machine;
  restore_make(machine, snapshot.row);
  return machine;
}

}  // namespace

std::vector<std::shared_ptr<const model::Resource>> kept_disks(const Picture& picture, const model::Snapshot& snapshot) {
  std::vector<std::shared_ptr<const model::Resource>> disks;
  for (const auto& attachment : machine_then(snapshot).storage)
    if (auto disk = picture.resources.find(attachment.resource); disk && writes(*disk, attachment)) disks.push_back(std::move(disk));
  return disks;
}

void require_snapshots(const Picture& picture, const model::Machine& machine) {
  for (const auto& attachment : machine.storage) {
    const auto disk = picture.resources.find(attachment.resource);
    if (disk && writes(*disk, attachment) && is_libvirts(picture, disk->pool))
      throw Error(ErrorCode::snapshot_impossible, fmt::format("The disk {} lies in a storage pool of libvirt's, where no snapshots are kept", disk->id.text()))
          .with("rid", disk->id.text());
    if (disk && writes(*disk, attachment) && !is_qcow2(*disk))
      throw Error(ErrorCode::snapshot_impossible, fmt::format("The disk {} is not in the format qcow2, which alone can hold snapshots", disk->id.text()))
          .with("rid", disk->id.text());
  }
}

void require_kept_disks(const Picture& picture, const model::Machine& wanted) {
  picture.snapshot_names.visit_from({wanted.id, ""}, [&](const Picture::SnapshotName& key, const auto& id) {
    if (key.first != wanted.id) return false;
    for (const auto& disk : kept_disks(picture, *picture.snapshots.find(*id)))
      if (std::none_of(wanted.storage.begin(), wanted.storage.end(), [&](const auto& attachment) { return attachment.resource == disk->id; }))
        throw Error(ErrorCode::resource_in_use,
                    fmt::format("The snapshot \"{}\" keeps a state of the disk {}. Remove the snapshot first", key.second, disk->id.text()))
            .with("rid", disk->id.text());
    return true;
  });
}

}  // namespace velocity::service
