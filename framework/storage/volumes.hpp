// The images of one storage pool: a directory in which every file is named by its resource's UUID. The only code that runs
// qemu-img. Included by the resource and upload services.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "framework/model/uuid.hpp"
#include "framework/storage/image.hpp"
#include "framework/storage/sandbox.hpp"

namespace velocity::storage {

// Owns <directory>. Every function is idempotent, safe from any thread for different ids, and throws Error(storage_full |
// storage_failed | image_*).
// What is on disk under a final name is whole: files are made under a temporary name, fsynced, renamed, and the directory fsynced.
//   <directory>/<uuid>             a volume, whatever its format: that is known to its resource
//   <directory>/.work/             what is being made, each in a directory of its own
//   <directory>/quarantine/<uuid>  what no resource knows
class Volumes {
 public:
  // Made if absent, 0700; what a former run left half-made is swept.
  explicit Volumes(std::filesystem::path directory, SandboxSettings sandbox = {});

  std::filesystem::path path(model::ResourceId id) const;  // where the volume is, or would be
  void create(model::ResourceId id, ImageFormat format, std::int64_t virtual_size);  // raw or qcow2, empty and sparse

  // Rewrites an uploaded file as a new volume, with qemu-img inside a sandbox (bubblewrap, rlimits) that sees nothing but the two files;
  // raw and iso become raw (an iso's facts still say iso), qcow2 becomes qcow2 without a reference to anything. The source stays, and
  // nothing else may write to it meanwhile. progress is told 0..1000 per mille, rising, in the calling thread; what it throws stops the
  // work and comes out.
  ImageFacts launder(const std::filesystem::path& source, ImageFacts announced, model::ResourceId id,
                     const std::function<void(int)>& progress = {});

  void remove(model::ResourceId id);               // absent is success
  bool exists(model::ResourceId id) const;
  std::string head(model::ResourceId id, std::size_t bytes) const;  // the first bytes of the file; fewer when it is shorter, none when it is absent
  std::vector<model::ResourceId> list() const;
  void quarantine(model::ResourceId id);           // moves a file that no row knows to <directory>/quarantine; absent is success
  unsigned long long processes() const;            // programs run so far

 private:
  void check(const std::filesystem::path& source, const ImageFacts& facts);
  void convert(const std::filesystem::path& source, const ImageFacts& facts, const std::filesystem::path& work,
               const std::function<void(int)>& progress);
  void publish(const std::filesystem::path& file, model::ResourceId id);

  std::filesystem::path directory_;
  Sandbox sandbox_;
};

}  // namespace velocity::storage
