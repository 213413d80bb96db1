#include "framework/storage/volume_header.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "framework/storage/bytes.hpp"
#include "framework/storage/descriptor.hpp"
#include "framework/storage/qcow2_header.hpp"
#include "framework/storage/qemu_img.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;

constexpr std::uint32_t kMostSnapshots = 65536;      // QEMU's own limits
constexpr std::uint64_t kLongestTable = 64 << 20;

struct OpenVolume {
  Descriptor file;
  std::int64_t length = 0;
};

OpenVolume open_volume(const std::filesystem::path& path) {
  OpenVolume volume{open_file(path, O_RDONLY | O_NONBLOCK), 0};
  struct stat status{};
  if (::fstat(volume.file.number(), &status) != 0) throw system_error(errno, "fstat " + path.string());
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1) throw Error(ErrorCode::image_corrupt, "The image is not a plain file", path.string());
  volume.length = status.st_size;
  return volume;
}

// What there is from `offset` on, `most` bytes of it at most.
std::vector<std::byte> read_part(const OpenVolume& volume, std::uint64_t offset, std::uint64_t most) {
  if (std::cmp_greater_equal(offset, volume.length)) return {};
  std::vector<std::byte> part(std::min<std::uint64_t>(most, static_cast<std::uint64_t>(volume.length) - offset));
  std::size_t done = 0;
  while (done < part.size()) {
    const auto got = ::pread(volume.file.number(), part.data() + done, part.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "read a volume");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  part.resize(done);
  return part;
}

[[noreturn]] void broken_table() { throw Error(ErrorCode::image_corrupt, "The image is damaged: its list of snapshots cannot be read"); }

}  // namespace

ImageFacts inspect_volume(const std::filesystem::path& path, ImageFormat format, const Layer* base) {
  const auto volume = open_volume(path);
  if (format != ImageFormat::qcow2) return {format, static_cast<std::int64_t>(rounded_up(static_cast<std::uint64_t>(volume.length), 512))};
  const auto header = read_part(volume, 0, ImageInspector::kHeaderBytes);
  if (!has_qcow2_magic(header)) throw Error(ErrorCode::image_corrupt, "The image is damaged: its header is gone", path.string());
  if (base == nullptr) return {format, read_own_qcow2_header(header, volume.length, {})};
  const auto name = base->id.text();
  const auto driver = driver_of(base->format);
  return {format, read_own_qcow2_header(header, volume.length, {name, driver})};
}

// docs/interop/qcow2.txt, "Snapshots": 40 bytes, extra data (the size of the disk is the second number of it), the identifier, the name;
// padded to 8.
std::vector<Snapshot> read_snapshots(const std::filesystem::path& path) {
  constexpr std::size_t kFixed = 40;
  const auto volume = open_volume(path);
  const auto [place, count] = qcow2_snapshots(read_part(volume, 0, 72));
  if (count == 0) return {};
  if (count > kMostSnapshots) broken_table();
  const auto table = read_part(volume, place, std::min<std::uint64_t>(kLongestTable, std::uint64_t{count} * 4096));
  std::vector<Snapshot> snapshots;
  std::size_t offset = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (table.size() < offset + kFixed) broken_table();
    const auto id_size = big_endian(table, offset + 12, 2);
    const auto name_size = big_endian(table, offset + 14, 2);
    const auto extra_size = big_endian(table, offset + 36, 4);
    const auto name_at = offset + kFixed + extra_size + id_size;
    if (extra_size > 1024 || table.size() < name_at + name_size) broken_table();
    Snapshot snapshot;
    snapshot.name.assign(reinterpret_cast<const char*>(table.data()) + name_at, name_size);
    snapshot.taken = static_cast<std::int64_t>(big_endian(table, offset + 16, 4));
    if (extra_size >= 16) snapshot.virtual_size = static_cast<std::int64_t>(big_endian(table, offset + kFixed + 8, 8));
    snapshots.push_back(std::move(snapshot));
    offset = rounded_up(name_at + name_size, 8);
  }
  return snapshots;
}

}  // namespace velocity::storage
