// Images on their way in. The edge drives it with tus 1.0; it never sees the whole image in memory.
// Included by the edge's upload handler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "framework/model/resource.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/image.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

struct UploadRequest {
  model::Gid group{};
  std::string label;
  std::string format;       // raw, qcow2 or iso
  std::int64_t length = 0;  // bytes
};

struct UploadStatus {
  model::Upload upload;
  std::int64_t offset = 0;  // bytes that have arrived
};

// Thread-safe. Every function may touch the disk and block: call it from a thread that may, never from a socket thread.
class Uploads {
 public:
  // Appends to one upload; holds it exclusively while it lives. What was appended stays when the writer goes: the client resumes there.
  class Writer {
   public:
    Writer(Uploads& uploads, model::Upload upload, std::int64_t offset);
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    std::int64_t offset() const { return offset_; }
    std::int64_t length() const { return upload_.length; }
    bool complete() const { return offset_ == upload_.length; }
    // Inspects while it writes. An image_* error means that the upload is refused and gone. storage_full keeps what fits.
    void append(std::span<const std::byte> bytes);
    // After the last byte: inspects, rewrites in the sandbox, lists the resource, forgets the upload. progress: 0 to 1000.
    model::ResourceId finish(const std::function<void(int)>& progress = {});

   private:
    Uploads& uploads_;
    model::Upload upload_;
    std::unique_ptr<Uploads, std::function<void(Uploads*)>> hold_;  // lets the next writer in
    std::int64_t offset_;
    int file_ = -1;
    std::optional<storage::ImageInspector> inspector_;  // only from the first byte on
  };

  Uploads(Inventory& inventory, const plugin::Registry& registry, storage::Volumes& volumes, std::filesystem::path incoming);

  // group_not_found, resource_label_taken, request_invalid, storage_full when the disk has less room than `length`.
  model::Upload create(const Caller& caller, const UploadRequest& request);
  UploadStatus status(const Caller& caller, model::UploadId id) const;  // upload_not_found: absent or somebody else's
  // upload_offset_mismatch when `offset` is not where it stands, upload_busy when another writer holds it.
  std::unique_ptr<Writer> open(const Caller& caller, model::UploadId id, std::int64_t offset);
  void remove(const Caller& caller, model::UploadId id);

  void recover();  // at start: files without a row and rows without a file go, what had arrived whole is finished

 private:
  std::filesystem::path path(model::UploadId id) const;
  model::Upload find(const Caller& caller, model::UploadId id) const;
  std::int64_t size_on_disk(model::UploadId id) const;
  void release(model::UploadId id);
  model::ResourceId finish(const model::Upload& upload, const std::function<void(int)>& progress);
  void discard(const model::Upload& upload);

  Inventory& inventory_;
  const plugin::Registry& registry_;
  storage::Volumes& volumes_;
  std::filesystem::path incoming_;
  std::mutex mutex_;
  std::set<model::UploadId> held_;
};

}  // namespace velocity::service
