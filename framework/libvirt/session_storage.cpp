// The part of a session that sees to storage pools and their volumes.
#include <fmt/format.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <pugixml.hpp>
#include <span>
#include <sstream>

#include "framework/libvirt/errors.hpp"
#include "framework/libvirt/session.hpp"
#include "framework/process/descriptor.hpp"

namespace velocity::libvirt {

namespace {

using model::Error;
using model::ErrorCode;

constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr const char* kStates[] = {"inactive", "building", "running", "degraded", "inaccessible"};

struct FreePool {
  void operator()(virStoragePoolPtr pool) const { virStoragePoolFree(pool); }
};
using Pool = std::unique_ptr<virStoragePool, FreePool>;

struct FreeVolume {
  void operator()(virStorageVolPtr volume) const { virStorageVolFree(volume); }
};
using Volume = std::unique_ptr<virStorageVol, FreeVolume>;

struct FreeStream {
  void operator()(virStreamPtr stream) const { virStreamFree(stream); }
};
using Stream = std::unique_ptr<virStream, FreeStream>;

// What is said of pools in the words for machines, in words for pools.
[[noreturn]] void fail_on(const std::string& pool, const char* call) {
  const int number = virGetLastErrorCode();
  const Error error = last_error(call);
  switch (number) {
    case VIR_ERR_NO_STORAGE_POOL: throw Error(ErrorCode::pool_not_found, fmt::format("libvirt has no storage pool \"{}\" now", pool), error.detail());
    case VIR_ERR_OPERATION_INVALID:
      throw Error(ErrorCode::hypervisor_unavailable, fmt::format("The storage pool \"{}\" is not active, or is busy with the disk", pool), error.detail());
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_XML_ERROR:
      throw Error(ErrorCode::image_unsupported, fmt::format("libvirt cannot do this in the storage pool \"{}\"", pool), error.detail());
    default: break;
  }
  if (error.code() != ErrorCode::hypervisor_failed) throw error;
  throw Error(ErrorCode::storage_failed, fmt::format("libvirt could not do this in the storage pool \"{}\"", pool), error.detail());
}

Pool find_pool(virConnectPtr connection, const std::string& name) {
  Pool pool(virStoragePoolLookupByName(connection, name.c_str()));
  if (!pool) fail_on(name, "virStoragePoolLookupByName");
  return pool;
}

// Null: there is none.
Volume find_volume(const Pool& pool, const std::string& pool_name, const std::string& name) {
  Volume volume(virStorageVolLookupByName(pool.get(), name.c_str()));
  if (!volume && virGetLastErrorCode() != VIR_ERR_NO_STORAGE_VOL) fail_on(pool_name, "virStorageVolLookupByName");
  virResetLastError();
  return volume;
}

Volume get_volume(const Pool& pool, const std::string& pool_name, const std::string& name) {
  auto volume = find_volume(pool, pool_name, name);
  if (!volume) throw Error(ErrorCode::storage_failed, fmt::format("The disk is not in the storage pool \"{}\" any more", pool_name), name);
  return volume;
}

pugi::xml_document description(char* text) {
  pugi::xml_document document;
  if (text != nullptr) document.load_string(text);
  std::free(text);
  return document;
}

std::string xml_of(const NewVolume& volume) {
  pugi::xml_document document;
  auto node = document.append_child("volume");
  node.append_child("name").text() = volume.name.c_str();
  node.append_child("capacity").text() = static_cast<long long>(volume.capacity);
  node.append_child("allocation").text() = volume.format.empty() ? static_cast<long long>(volume.capacity) : 0LL;
  if (!volume.format.empty()) node.append_child("target").append_child("format").append_attribute("type") = volume.format.c_str();
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return std::move(text).str();
}

process::Descriptor open_local(const std::filesystem::path& path, int flags) {
  process::Descriptor file(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.number() < 0) throw Error(ErrorCode::storage_failed, "The image cannot be read or written", fmt::format("{}: {}", path.string(), std::strerror(errno)));
  return file;
}

void send_all(const Stream& stream, const std::string& pool, std::string_view bytes) {
  while (!bytes.empty()) {
    const int sent = virStreamSend(stream.get(), bytes.data(), bytes.size());
    if (sent < 0) fail_on(pool, "virStreamSend");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error(errno == ENOSPC ? ErrorCode::storage_full : ErrorCode::storage_failed, "The image cannot be written", std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::vector<StoragePool> Session::storage_pools() {
  virStoragePoolPtr* listed = nullptr;
  const int count = virConnectListAllStoragePools(counted(), &listed, 0);
  if (count < 0 && virGetLastErrorCode() == VIR_ERR_NO_SUPPORT) {
    virResetLastError();
    return {};
  }
  if (count < 0) fail("virConnectListAllStoragePools");
  std::vector<StoragePool> pools;
  for (virStoragePoolPtr raw : std::span(listed, static_cast<std::size_t>(count))) {
    const Pool pool(raw);
    *calls_ += 2;
    virStoragePoolInfo info{};
    const auto document = description(virStoragePoolGetXMLDesc(raw, 0));
    const auto node = document.child("pool");
    if (!node || virStoragePoolGetInfo(raw, &info) < 0) continue;  // vanished since the list was made
    const auto state = static_cast<std::size_t>(info.state);
    pools.push_back({virStoragePoolGetName(raw), node.attribute("type").value(), state < std::size(kStates) ? kStates[state] : "unknown",
                     node.child("target").child("path").text().get(), static_cast<std::int64_t>(info.capacity), static_cast<std::int64_t>(info.available)});
  }
  std::free(listed);
  virResetLastError();
  return pools;
}

void Session::create_volume(const std::string& pool_name, const NewVolume& volume) {
  const Pool pool = find_pool(counted(), pool_name);
  if (find_volume(pool, pool_name, volume.name)) return;
  ++*calls_;
  const Volume made(virStorageVolCreateXML(pool.get(), xml_of(volume).c_str(), 0));
  if (!made) fail_on(pool_name, "virStorageVolCreateXML");
}

void Session::remove_volume(const std::string& pool_name, const std::string& name) {
  const Pool pool(virStoragePoolLookupByName(counted(), pool_name.c_str()));
  if (!pool && virGetLastErrorCode() == VIR_ERR_NO_STORAGE_POOL) return virResetLastError();  // undefined, and its volumes with it
  if (!pool) fail_on(pool_name, "virStoragePoolLookupByName");
  const Volume volume = find_volume(pool, pool_name, name);
  ++*calls_;
  if (volume && virStorageVolDelete(volume.get(), 0) < 0) fail_on(pool_name, "virStorageVolDelete");
}

bool Session::has_volume(const std::string& pool_name, const std::string& name) {
  const Pool pool = find_pool(counted(), pool_name);
  ++*calls_;
  return find_volume(pool, pool_name, name) != nullptr;
}

void Session::resize_volume(const std::string& pool_name, const std::string& name, const std::string& format, std::uint64_t capacity) {
  const Pool pool = find_pool(counted(), pool_name);
  *calls_ += 4;
  if (virStoragePoolRefresh(pool.get(), 0) < 0) fail_on(pool_name, "virStoragePoolRefresh");
  const Volume volume = get_volume(pool, pool_name, name);
  virStorageVolInfo info{};
  if (virStorageVolGetInfo(volume.get(), &info) < 0) fail_on(pool_name, "virStorageVolGetInfo");
  if (info.capacity >= capacity) return;
  // It would give the image to a program as what it takes it for, and with it files that the image names.
  const auto document = description(virStorageVolGetXMLDesc(volume.get(), 0));
  const std::string guess = document.child("volume").child("target").child("format").attribute("type").value();
  if (!guess.empty() && guess != format)
    throw Error(ErrorCode::image_unsupported, fmt::format("libvirt takes this disk for {}, and not for {}: it cannot grow in the storage pool \"{}\"", guess, format, pool_name));
  if (virStorageVolResize(volume.get(), capacity, 0) < 0) fail_on(pool_name, "virStorageVolResize");
}

void Session::upload_volume(const std::string& pool_name, const std::string& name, const std::filesystem::path& from) {
  const auto file = open_local(from, O_RDONLY);
  const Pool pool = find_pool(counted(), pool_name);
  const Volume volume = get_volume(pool, pool_name, name);
  const Stream stream(virStreamNew(counted(), 0));
  if (!stream) fail("virStreamNew");
  if (virStorageVolUpload(volume.get(), stream.get(), 0, 0, 0) < 0) fail_on(pool_name, "virStorageVolUpload");
  std::string piece(kPiece, '\0');
  for (;;) {
    const auto size = ::read(file.number(), piece.data(), piece.size());
    if (size == 0) break;
    if (size < 0) {
      virStreamAbort(stream.get());
      throw Error(ErrorCode::storage_failed, "The image cannot be read", std::strerror(errno));
    }
    send_all(stream, pool_name, std::string_view(piece).substr(0, static_cast<std::size_t>(size)));
  }
  if (virStreamFinish(stream.get()) < 0) fail_on(pool_name, "virStreamFinish");
}

void Session::download_volume(const std::string& pool_name, const std::string& name, const std::filesystem::path& to, std::uint64_t most) {
  const auto file = open_local(to, O_WRONLY | O_CREAT | O_EXCL);
  const Pool pool = find_pool(counted(), pool_name);
  const Volume volume = get_volume(pool, pool_name, name);
  const Stream stream(virStreamNew(counted(), 0));
  if (!stream) fail("virStreamNew");
  if (virStorageVolDownload(volume.get(), stream.get(), 0, most, 0) < 0) fail_on(pool_name, "virStorageVolDownload");
  std::string piece(kPiece, '\0');
  for (;;) {
    const int size = virStreamRecv(stream.get(), piece.data(), piece.size());
    if (size == 0) break;
    if (size < 0) fail_on(pool_name, "virStreamRecv");
    try {
      write_all(file.number(), std::string_view(piece).substr(0, static_cast<std::size_t>(size)));
    } catch (...) {
      virStreamAbort(stream.get());
      throw;
    }
  }
  if (virStreamFinish(stream.get()) < 0) fail_on(pool_name, "virStreamFinish");
}

}  // namespace velocity::libvirt
