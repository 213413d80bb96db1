// A pool whose volumes somebody else makes and keeps, such as a libvirtd. Included by the volumes and by whoever is such a pool.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "framework/storage/image.hpp"

namespace velocity::storage {

// Thread-safe. Volumes are named by their resource's UUID. What the pool cannot do is Error(image_unsupported).
class RemotePool {
 public:
  virtual ~RemotePool() = default;

  virtual std::filesystem::path path(const std::string& volume) const = 0;  // where the hypervisor finds it; asks nobody
  virtual bool of_devices() const = 0;  // its volumes are block devices, which are always raw
  virtual bool has(const std::string& volume) const = 0;
  virtual void create(const std::string& volume, ImageFormat format, std::int64_t virtual_size) = 0;  // present is success
  virtual void grow(const std::string& volume, ImageFormat format, std::int64_t virtual_size) = 0;
  virtual void remove(const std::string& volume) = 0;  // absent is success
  virtual void upload(const std::string& volume, const std::filesystem::path& from) = 0;
  virtual void download(const std::string& volume, const std::filesystem::path& to, std::uint64_t most) = 0;  // 0: all of it
};

}  // namespace velocity::storage
