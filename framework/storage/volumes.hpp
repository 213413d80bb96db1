// The images of one storage pool: a directory in which every file is named by its resource's UUID. The only code that runs
// qemu-img. Included by the resource and upload services.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "framework/model/uuid.hpp"
#include "framework/storage/image.hpp"

namespace velocity::storage {

// Owns <directory>. Every function is idempotent, safe from any thread for different ids, and throws Error(storage_full | storage_failed | image_*).
// What is on disk under a final name is whole: files are made under a temporary name, fsynced, renamed, and the directory fsynced.
class Volumes {
 public:
  explicit Volumes(std::filesystem::path directory);  // made if absent, 0700; sweeps temporary files of a former run

  std::filesystem::path path(model::ResourceId id) const;  // where the volume is, or would be
  void create(model::ResourceId id, ImageFormat format, std::int64_t virtual_size);  // empty and sparse

  // Rewrites an uploaded file as a new volume, with qemu-img inside a sandbox (bubblewrap, rlimits) that sees nothing but the two files;
  // raw and iso become raw, qcow2 becomes qcow2 without a reference to anything. The source stays. progress is told 0..1000 per mille.
  ImageFacts launder(const std::filesystem::path& source, ImageFacts announced, model::ResourceId id,
                     const std::function<void(int)>& progress = {});

  void remove(model::ResourceId id);               // absent is success
  bool exists(model::ResourceId id) const;
  std::vector<model::ResourceId> list() const;
  void quarantine(model::ResourceId id);           // moves a file that no row knows to <directory>/quarantine, keeping it
  unsigned long long processes() const;            // programs run so far

 private:
  std::filesystem::path directory_;
};

}  // namespace velocity::storage
