// A storage pool of the hypervisor's libvirtd, as the volumes know it. Included by the pool service.
#pragma once

#include <string>

#include "framework/libvirt/storage_pools.hpp"
#include "framework/storage/remote_pool.hpp"

namespace velocity::service {

class LibvirtPool final : public storage::RemotePool {
 public:
  LibvirtPool(libvirt::Host& host, std::string name, std::string type, std::filesystem::path target)
      : pools_(host), name_(std::move(name)), type_(std::move(type)), target_(std::move(target)) {}

  // Whether volumes of names of ours can be made in pools of a type of libvirt's, and a machine can have them as a file or a device.
  static bool serves(const std::string& type);

  std::filesystem::path path(const std::string& volume) const override { return target_ / volume; }
  bool of_devices() const override;
  bool has(const std::string& volume) const override { return pools_.has(name_, volume); }
  void create(const std::string& volume, storage::ImageFormat format, std::int64_t virtual_size) override;
  void grow(const std::string& volume, storage::ImageFormat format, std::int64_t virtual_size) override;
  void remove(const std::string& volume) override { pools_.remove(name_, volume); }
  void upload(const std::string& volume, const std::filesystem::path& from) override { pools_.upload(name_, volume, from); }
  void download(const std::string& volume, const std::filesystem::path& to, std::uint64_t most) override { pools_.download(name_, volume, to, most); }

 private:
  libvirt::StoragePools pools_;
  std::string name_, type_;
  std::filesystem::path target_;
};

}  // namespace velocity::service
