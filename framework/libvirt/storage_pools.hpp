// The storage pools that a libvirtd has, of whatever type, and the volumes in them. Included by the service's libvirt_pool.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace velocity::libvirt {

class Host;

struct StoragePool {
  std::string name;
  std::string type;              // libvirt's word: dir, fs, netfs, logical, iscsi, rbd, …
  std::string state;             // inactive, building, running, degraded or inaccessible
  std::filesystem::path target;  // where the hypervisor's host has the volumes; empty when they are no files or devices there
  std::int64_t capacity = 0;     // bytes, as is `available`; 0 while it is not running
  std::int64_t available = 0;
};

struct NewVolume {
  std::string name;
  std::int64_t capacity = 0;  // bytes
  std::string format;         // raw or qcow2; empty where volumes are block devices, which then take all of their room at once
};

// Threads: as Host. Errors: pool_not_found, image_unsupported for what libvirt cannot do in a pool of this type, storage_full,
// storage_failed, and hypervisor_unavailable also while the pool is not active; libvirt's text is in detail().
class StoragePools {
 public:
  explicit StoragePools(Host& host) : host_(host) {}

  std::vector<StoragePool> list() const;  // none on a hypervisor without storage pools, such as the embedded one
  void create(const std::string& pool, const NewVolume& volume) const;  // present is success
  void remove(const std::string& pool, const std::string& volume) const;  // absent is success, the pool too
  bool has(const std::string& pool, const std::string& volume) const;
  // Makes it larger. `format` is what it must be: libvirt guesses from bytes that a guest may have written, and where it guesses
  // something else nothing is done (image_unsupported).
  void resize(const std::string& pool, const std::string& volume, const std::string& format, std::int64_t capacity) const;
  void upload(const std::string& pool, const std::string& volume, const std::filesystem::path& from) const;
  void download(const std::string& pool, const std::string& volume, const std::filesystem::path& to, std::uint64_t most = 0) const;  // 0: all

 private:
  Host& host_;
};

}  // namespace velocity::libvirt
