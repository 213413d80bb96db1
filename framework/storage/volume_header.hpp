// What a volume of ours says of itself: looked at before any program is, since a guest's QEMU has written to it. Included by the volumes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/model/uuid.hpp"
#include "framework/storage/image.hpp"

namespace velocity::storage {

// One image of a chain.
struct Layer {
  model::ResourceId id;
  ImageFormat format = ImageFormat::raw;
};
// A volume, then what it is based on, then what that is based on …; never empty.
using Chain = std::vector<Layer>;

// An internal snapshot of a qcow2 volume.
struct Snapshot {
  std::string name;              // the UUID's text that it was taken under
  std::int64_t virtual_size = 0;  // of the disk then, bytes
  std::int64_t taken = 0;        // Unix seconds
};

// `base`: what it was made on; null: nothing. Of a raw volume only that it is a plain file: its bytes are the guest's.
// Throws Error(image_* | storage_failed).
ImageFacts inspect_volume(const std::filesystem::path& path, ImageFormat format, const Layer* base);

// In the order in which they were taken. Of a volume that has been inspected. Throws Error(image_corrupt | storage_failed).
std::vector<Snapshot> read_snapshots(const std::filesystem::path& path);

}  // namespace velocity::storage
