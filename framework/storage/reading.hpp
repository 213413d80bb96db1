// A volume open for reading, as it lies on disk. Included by the service that hands images out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "framework/process/descriptor.hpp"

namespace velocity::storage {

// Owns the open file: it can be read to its end even when the volume is removed meanwhile. Threads: any, one at a time.
class Reading {
 public:
  // Throws Error(storage_failed) when it is not there, Error(image_corrupt) when it is no plain file.
  explicit Reading(const std::filesystem::path& path);

  std::int64_t size() const { return size_; }          // bytes, when it was opened
  std::int64_t modified() const { return modified_; }  // nanoseconds since 1970

  // From `offset` on; fewer than asked for only at the end. Throws Error(storage_failed).
  std::size_t read(std::int64_t offset, std::span<std::byte> bytes) const;

 private:
  process::Descriptor file_;
  std::int64_t size_ = 0;
  std::int64_t modified_ = 0;
};

}  // namespace velocity::storage
