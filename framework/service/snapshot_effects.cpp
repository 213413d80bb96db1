#include "framework/service/snapshot_effects.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "framework/model/error.hpp"
#include "framework/service/firmware_variables.hpp"
#include "framework/service/kept_disks.hpp"
#include "framework/service/volume_use.hpp"

namespace velocity::service {

void SnapshotEffects::take(const Picture& picture, const model::Snapshot& snapshot) const {
  copy_variables(blueprint_.files(snapshot.machine).nvram, blueprint_.variables(snapshot.id));
  for (const auto& disk : kept_disks(picture, snapshot)) volumes_.snapshot_take(chain_of(picture, disk->id), snapshot.id.uuid());
}

std::map<model::ResourceId, std::int64_t> SnapshotEffects::sizes_then(const Picture& picture, const model::Snapshot& snapshot) const {
  std::map<model::ResourceId, std::int64_t> sizes;
  for (const auto& disk : kept_disks(picture, snapshot)) {
    volumes_.inspect(chain_of(picture, disk->id));
    for (const auto& kept : volumes_.snapshots(disk->id))
      if (kept.name == snapshot.id.text()) sizes[disk->id] = kept.virtual_size;
    if (sizes.count(disk->id) == 0)
      throw model::Error(model::ErrorCode::image_unsupported, fmt::format("The disk {} does not have this snapshot", disk->id.text()));
  }
  return sizes;
}

std::map<model::ResourceId, std::int64_t> SnapshotEffects::go_back(const Picture& picture, const model::Snapshot& snapshot, bool& begun) const {
  std::map<model::ResourceId, std::int64_t> sizes;
  for (const auto& disk : kept_disks(picture, snapshot)) {
    const bool first = !std::exchange(begun, true);  // what fails on the way may have changed the disk all the same
    try {
      sizes[disk->id] = volumes_.snapshot_apply(chain_of(picture, disk->id), snapshot.id.uuid()).virtual_size;
    } catch (const model::Error& error) {
      const bool refused = error.code() == model::ErrorCode::resource_in_use || error.code() == model::ErrorCode::image_unsupported;
      if (first && refused) begun = false;
      throw;
    }
  }
  begun = true;
  copy_variables(blueprint_.variables(snapshot.id), blueprint_.files(snapshot.machine).nvram);
  return sizes;
}

// A disk that cannot be read any more keeps what it has: it must not keep its machine from being removed.
void SnapshotEffects::remove(const Picture& picture, const model::Snapshot& snapshot) const {
  for (const auto& disk : kept_disks(picture, snapshot)) try {
      volumes_.snapshot_remove(chain_of(picture, disk->id), snapshot.id.uuid());
    } catch (const model::Error& error) {
      if (name(error.code()).rfind("image.", 0) != 0) throw;
      spdlog::warn("a snapshot is left in the disk {}: {}", disk->id.text(), error.message());
    }
  remove_variables(blueprint_.variables(snapshot.id));
}

}  // namespace velocity::service
