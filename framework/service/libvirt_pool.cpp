#include "framework/service/libvirt_pool.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/model/error.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using storage::ImageFormat;

// libvirt knows raw and qcow2; an iso is raw to it.
std::string driver_of(ImageFormat format) { return format == ImageFormat::qcow2 ? "qcow2" : "raw"; }

constexpr const char* kOfFiles[] = {"dir", "fs", "netfs"};
constexpr const char* kOfDevices[] = {"logical"};

bool among(const auto& types, const std::string& type) { return std::find(std::begin(types), std::end(types), type) != std::end(types); }

}  // namespace

bool LibvirtPool::serves(const std::string& type) { return among(kOfFiles, type) || among(kOfDevices, type); }

bool LibvirtPool::of_devices() const { return among(kOfDevices, type_); }

void LibvirtPool::create(const std::string& volume, ImageFormat format, std::int64_t virtual_size) {
  if (of_devices() && format == ImageFormat::qcow2)
    throw Error(ErrorCode::image_unsupported, fmt::format("Disks in the storage pool \"{}\" are block devices: they are raw", name_));
  pools_.create(name_, {volume, virtual_size, of_devices() ? "" : driver_of(format)});
}

void LibvirtPool::grow(const std::string& volume, ImageFormat format, std::int64_t virtual_size) {
  pools_.resize(name_, volume, driver_of(format), virtual_size);
}

}  // namespace velocity::service
