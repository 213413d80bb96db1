// The images of the storage pools: directories in which every file is named by its resource's UUID. The only code that runs
// qemu-img. Included by the resource, upload and pool services.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "framework/model/uuid.hpp"
#include "framework/storage/image.hpp"
#include "framework/storage/qemu_img.hpp"
#include "framework/storage/reading.hpp"
#include "framework/storage/remote_pool.hpp"
#include "framework/storage/volume_header.hpp"

namespace velocity::storage {

// Owns <directory>, which is the default pool, and the directory of each further one. Every function is idempotent, safe from any thread for different ids, and throws Error(storage_full |
// storage_failed | image_*). Those that change a volume in its place (grow, snapshot_…) can be killed at any point and done again; they and
// clone() throw Error(resource_in_use) while a guest has the volume open for writing.
// A chain is given by whoever knows it: each volume's header is compared with it before any program sees the volume, so that what a guest
// has made of its image never decides which files are opened.
// What is on disk under a final name is whole: files are made under a temporary name, fsynced, renamed, and the directory fsynced.
//   <directory>/<uuid>             a volume, whatever its format: that is known to its resource
//   <directory>/.work/             what is being made, each in a directory of its own
//   <directory>/quarantine/<uuid>  what no resource knows
class Volumes {
 public:
  // Made if absent, 0700; what a former run left half-made is swept.
  explicit Volumes(std::filesystem::path directory, SandboxSettings sandbox = {});

  // A further pool: <directory> is found with what is in it, and never made: one that is not there lies on a file system that is not mounted. When
  // that fails (storage_failed) its volumes are looked for there all the same.
  void open_pool(const std::string& name, const std::filesystem::path& directory);
  // A further pool that is not ours to look into. It has no linked clones and no snapshots (image_unsupported); what goes into it has been made
  // in the default pool, and what is copied from it is looked at there first.
  void open_pool(const std::string& name, std::shared_ptr<RemotePool> pool);
  void close_pool(const std::string& name);  // it has no volumes any more; the directory goes when nothing else is in it
  void place(model::ResourceId id, const std::string& pool);  // where the volume lies, or will be made; without a word: in the default pool

  std::filesystem::path path(model::ResourceId id) const;  // where the volume is, or would be, on the hypervisor's host
  bool is_device(model::ResourceId id) const;  // a block device, not a file
  bool is_remote(model::ResourceId id) const;  // in a pool that is not ours to look into
  void create(model::ResourceId id, ImageFormat format, std::int64_t virtual_size);  // raw or qcow2, empty and sparse

  // Rewrites an uploaded file as a new volume, with qemu-img inside a sandbox (bubblewrap, rlimits) that sees nothing but the two files;
  // raw and iso become raw (an iso's facts still say iso), qcow2 becomes qcow2 without a reference to anything. The source stays, and
  // nothing else may write to it meanwhile. progress is told 0..1000 per mille, rising, in the calling thread; what it throws stops the
  // work and comes out.
  ImageFacts launder(const std::filesystem::path& source, ImageFacts announced, model::ResourceId id,
                     const std::function<void(int)>& progress = {});

  // An uploaded file becomes a volume: qcow2 by launder(), raw and iso as they are. Nothing in those names a file, and they are never read to find
  // out what they are, so that rewriting them would write the same bytes once more. The file itself is moved and then filled up to whole
  // sectors; where it cannot be moved, because the pool is on another file system, launder() copies it. progress as above.
  ImageFacts take_in(const std::filesystem::path& source, ImageFacts announced, model::ResourceId id, const std::function<void(int)>& progress = {});
  void give_back(model::ResourceId id, const std::filesystem::path& to);  // what take_in() has moved, back to where it came from

  // A linked clone: a qcow2 that holds what differs from `base`, whose front must not change as long as this one lives. Its header names
  // the base by its bare id, and no program opens the base. virtual_size: bytes, at least the base's; 0: as the base.
  void create_overlay(model::ResourceId id, const Chain& base, std::int64_t virtual_size = 0);
  // A full clone of the same format, with all that lies below merged in. virtual_size and progress as above.
  ImageFacts clone(const Chain& source, model::ResourceId id, std::int64_t virtual_size = 0, const std::function<void(int)>& progress = {});
  void grow(const Chain& volume, std::int64_t virtual_size);  // never makes it smaller; iso is image_unsupported

  // Snapshots inside a qcow2 volume that no guest has open; others are image_unsupported.
  void snapshot_take(const Chain& volume, model::Uuid name);
  ImageFacts snapshot_apply(const Chain& volume, model::Uuid name);  // the volume as it was then, its size too; image_unsupported without it
  void snapshot_remove(const Chain& volume, model::Uuid name);
  std::vector<Snapshot> snapshots(model::ResourceId id) const;
  ImageFacts inspect(const Chain& volume) const;  // what its header says now

  void remove(model::ResourceId id);               // absent is success
  bool exists(model::ResourceId id) const;
  std::string head(model::ResourceId id, std::size_t bytes) const;  // the first bytes of the file; fewer when it is shorter, none when it is absent
  Reading read(model::ResourceId id) const;        // all of the file; of a remote pool's, a copy that is gone with the reading
  std::vector<model::ResourceId> list() const;     // in our own pools
  void quarantine(model::ResourceId id);           // moves a file that no row knows to <directory>/quarantine; absent is success
  unsigned long long processes() const;            // programs run so far

 private:
  static ImageFacts inspect_again(const std::filesystem::path& source, const ImageFacts& announced);
  void publish(const std::filesystem::path& file, const ImageFacts& facts, model::ResourceId id);
  std::filesystem::path directory(model::ResourceId id) const;
  std::shared_ptr<RemotePool> remote(model::ResourceId id) const;  // null: it is in one of our own
  Layers layers(const Chain& chain) const;  // inspected, each of them
  ImageFacts clone_into(const Layers& shown, const ImageFacts& facts, model::ResourceId id, std::int64_t virtual_size, const std::function<void(int)>& progress);

  std::filesystem::path directory_;
  mutable std::shared_mutex placing_;
  std::map<std::string, std::filesystem::path> pools_;    // the further ones
  std::map<std::string, std::shared_ptr<RemotePool>> remote_pools_;
  std::map<model::ResourceId, std::string> elsewhere_;  // what is not in the default pool
  QemuImg qemu_img_;
};

}  // namespace velocity::storage
