// Images on their way in. The edge drives it with tus 1.0; it never sees the whole image in memory.
// Included by the edge's upload handler.
#pragma once

#include <chrono>
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
#include <utility>

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
  std::int64_t offset = 0;   // bytes that have arrived
  std::int64_t expires = 0;  // Unix seconds: when it is given up unless more arrives
};

// Thread-safe. Every function may touch the disk and block: call it from a thread that may, never from a socket thread.
class Uploads {
 public:
  static constexpr std::chrono::seconds kPatience{24 * 3600};  // with a client that sends nothing more

  // Whether what a writer appends counts at once, or only once keep() was called: before that it is taken back, whatever happens, a crash
  // of the server included.
  enum class Mode { kept, provisional };

  // The right to work on one upload, held by one at a time.
  class Hold {
   public:
    Hold(Uploads& uploads, model::Upload upload) : uploads_(&uploads), upload_(std::move(upload)) {}
    Hold(Hold&& other) noexcept : uploads_(std::exchange(other.uploads_, nullptr)), upload_(std::move(other.upload_)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold();
    const model::Upload& upload() const { return upload_; }

   private:
    Uploads* uploads_;
    model::Upload upload_;
  };

  // Appends to one upload; holds it exclusively while it lives. What was appended stays when the writer goes: the client resumes there.
  class Writer {
   public:
    Writer(Uploads& uploads, Hold hold, std::int64_t offset, Mode mode);
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    std::int64_t offset() const { return offset_; }
    std::int64_t length() const { return upload().length; }
    bool complete() const { return offset_ == length(); }
    // Inspects while it writes. An image_* error means that the upload is refused and gone. storage_full keeps what fits.
    // Zeros take no room. Those at the end of what has arrived count when more follows, at keep(), or at the writer's end.
    void append(std::span<const std::byte> bytes);
    void keep();  // the file has all that was appended; and what was so provisionally counts from now on
    // After the last byte: inspects, makes a volume of it (qcow2 is rewritten in the sandbox), lists the resource, forgets the upload.
    // progress: 0 to 1000.
    model::ResourceId finish(const std::function<void(int)>& progress = {});

   private:
    const model::Upload& upload() const { return hold_.upload(); }
    void write(std::span<const std::byte> bytes);
    void lengthen();
    Uploads& uploads_;
    Hold hold_;
    std::int64_t offset_;
    std::int64_t in_file_;  // as far as the file goes; behind it there are only zeros
    bool provisional_;
    int file_ = -1;
    std::optional<storage::ImageInspector> inspector_;  // only from the first byte on
  };

  Uploads(Inventory& inventory, const plugin::Registry& registry, storage::Volumes& volumes, std::filesystem::path incoming);

  // group_not_found, resource_label_taken, request_invalid, quota_exceeded: `length` counts from now on until the upload goes; storage_full when the
  // disk has less room than that.
  model::Upload create(const Caller& caller, const UploadRequest& request);
  UploadStatus status(const Caller& caller, model::UploadId id) const;  // upload_not_found: absent or somebody else's
  // upload_offset_mismatch when `offset` is not where it stands, upload_busy when another writer holds it.
  std::unique_ptr<Writer> open(const Caller& caller, model::UploadId id, std::int64_t offset, Mode mode = Mode::kept);
  void remove(const Caller& caller, model::UploadId id);
  void forget(const Caller& caller, model::UploadId id) noexcept;  // removes it if it is there and can be; else it expires

  void sweep();            // at start, before anybody uploads: files without a row and rows without a file go
  void expire();           // from time to time: what has been idle for a day goes, with the label and the room that it holds
  // What had arrived whole when the server died: its client was told so. What `progress` throws ends it.
  void finish_complete(const std::function<void(int)>& progress);

 private:
  std::filesystem::path path(model::UploadId id) const;
  model::Upload find(const Caller& caller, model::UploadId id) const;
  std::int64_t still_to_come() const;  // bytes announced and not here yet, of all uploads
  std::int64_t size_on_disk(model::UploadId id) const;
  std::filesystem::path mark(model::UploadId id) const;  // a file that says how much of the upload counts; absent: all that is there
  std::int64_t arrived(model::UploadId id) const;        // how much that is
  void take_back(model::UploadId id) const;              // what does not count
  void undo(const model::Upload& upload) const noexcept;  // what finish() had made of it before it came to an end
  Hold hold(model::Upload upload);  // upload_busy
  model::ResourceId finish(const model::Upload& upload, const std::function<void(int)>& progress);
  void list(const model::Upload& upload, const plugin::ResourceType& type, const storage::ImageFacts& facts);
  void discard(const model::Upload& upload);

  Inventory& inventory_;
  const plugin::Registry& registry_;
  storage::Volumes& volumes_;
  std::filesystem::path incoming_;
  std::mutex mutex_;
  std::set<model::UploadId> held_;
};

}  // namespace velocity::service
