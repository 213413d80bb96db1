#include "framework/storage/qcow2_header.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "framework/model/error.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;
using namespace std::string_view_literals;

constexpr std::size_t kVersion2Length = 72;
constexpr std::size_t kVersion3Length = 104;
constexpr std::uint64_t kMaxL1Bytes = 32 << 20;             // QEMU's own limits
constexpr std::uint64_t kMaxRefcountTableBytes = 8 << 20;

constexpr std::uint64_t kDirty = 1, kCorrupt = 2, kDataFile = 4, kCompressionType = 8, kExtendedL2 = 16;
constexpr std::uint64_t kKnownIncompatible = kDirty | kCorrupt | kDataFile | kCompressionType | kExtendedL2;
constexpr std::uint64_t kRawDataFile = 2;  // among the autoclear bits

constexpr std::uint32_t kEndOfExtensions = 0, kBackingFormat = 0xe2792aca, kDataFileName = 0x44415441, kFullDiskEncryption = 0x0537be77;

// Every number of the header as the file has it; what version 2 lacks stands at its default.
struct Header {
  std::uint32_t version;
  std::uint64_t backing_file_offset;
  std::uint32_t backing_file_size;
  std::uint32_t cluster_bits;
  std::uint64_t size;
  std::uint32_t crypt_method;
  std::uint64_t l1_size;
  std::uint64_t l1_table_offset;
  std::uint64_t refcount_table_offset;
  std::uint64_t refcount_table_clusters;
  std::uint32_t snapshots;
  std::uint64_t incompatible = 0;
  std::uint64_t autoclear = 0;
  std::uint32_t refcount_order = 4;
  std::uint32_t header_length = kVersion2Length;
  std::uint32_t compression_type = 0;

  std::uint64_t cluster_size() const { return std::uint64_t{1} << cluster_bits; }
};

[[noreturn]] void corrupt(std::string_view what) {
  throw Error(ErrorCode::image_corrupt, fmt::format("The qcow2 image is damaged: {}. Look at it with: qemu-img check IMAGE", what));
}

[[noreturn]] void unsupported(std::string_view what) {
  throw Error(ErrorCode::image_unsupported,
              fmt::format("The qcow2 image {}. Rewrite it with: qemu-img convert -O qcow2 IMAGE NEW-IMAGE", what));
}

[[noreturn]] void truncated(std::string_view what) {
  throw Error(ErrorCode::image_truncated, fmt::format("The qcow2 image is cut off: {}. Fetch or copy it again", what));
}

[[noreturn]] void backing_file() {
  throw Error(ErrorCode::image_backing_file,
              "The qcow2 image is an overlay over another file. Merge them first with: qemu-img convert -O qcow2 IMAGE NEW-IMAGE");
}

[[noreturn]] void data_file() {
  throw Error(ErrorCode::image_data_file,
              "The qcow2 image keeps its data in another file. Merge them first with: qemu-img convert -O qcow2 IMAGE NEW-IMAGE");
}

[[noreturn]] void encrypted() {
  throw Error(ErrorCode::image_encrypted, "The qcow2 image is encrypted, and its key is not known here. Decrypt it before uploading");
}

Header read(Bytes bytes) {
  Header header{};
  header.version = static_cast<std::uint32_t>(big_endian(bytes, 4, 4));
  header.backing_file_offset = big_endian(bytes, 8, 8);
  header.backing_file_size = static_cast<std::uint32_t>(big_endian(bytes, 16, 4));
  header.cluster_bits = static_cast<std::uint32_t>(big_endian(bytes, 20, 4));
  header.size = big_endian(bytes, 24, 8);
  header.crypt_method = static_cast<std::uint32_t>(big_endian(bytes, 32, 4));
  header.l1_size = big_endian(bytes, 36, 4);
  header.l1_table_offset = big_endian(bytes, 40, 8);
  header.refcount_table_offset = big_endian(bytes, 48, 8);
  header.refcount_table_clusters = big_endian(bytes, 56, 4);
  header.snapshots = static_cast<std::uint32_t>(big_endian(bytes, 60, 4));
  header.refcount_order = 4;
  header.header_length = kVersion2Length;
  if (header.version == 2) return header;
  header.incompatible = big_endian(bytes, 72, 8);
  header.autoclear = big_endian(bytes, 88, 8);
  header.refcount_order = static_cast<std::uint32_t>(big_endian(bytes, 96, 4));
  header.header_length = static_cast<std::uint32_t>(big_endian(bytes, 100, 4));
  if (header.header_length > kVersion3Length) header.compression_type = static_cast<std::uint32_t>(big_endian(bytes, 104, 1));
  return header;
}

// What needs what we do not have.
void check_features(const Header& header) {
  if (header.crypt_method != 0) encrypted();
  if (header.incompatible & kDataFile || header.autoclear & kRawDataFile) data_file();
  if (header.incompatible & kCorrupt) corrupt("it is marked as corrupt by the program that last wrote to it");
  if (header.incompatible & kDirty) corrupt("it was not closed properly. Repair a copy with: qemu-img check -r all IMAGE");
  if (const auto unknown = header.incompatible & ~kKnownIncompatible)
    unsupported(fmt::format("needs features that are not known here (bits {:#x})", unknown));
  if (header.compression_type > 1) unsupported(fmt::format("uses compression type {}, which is not known here", header.compression_type));
  if ((header.compression_type != 0) != ((header.incompatible & kCompressionType) != 0))
    corrupt("its compression type contradicts its feature bits");
}

// An upload stands for itself alone.
void check_alone(const Header& header) {
  if (header.backing_file_offset != 0 || header.backing_file_size != 0) backing_file();
  if (header.snapshots != 0) unsupported(fmt::format("has {} internal snapshots, which are not taken over", header.snapshots));
}

void check_base(const Header& header, Bytes bytes, const Qcow2Base& base) {
  const bool named = header.backing_file_offset != 0 || header.backing_file_size != 0;
  if (named != !base.name.empty() || (named && (header.backing_file_size != base.name.size() || !has(bytes, header.backing_file_offset, base.name))))
    corrupt("it is not based on what it was made on");
}

void check_layout(const Header& header) {
  if (header.cluster_bits < 9 || header.cluster_bits > 21) corrupt(fmt::format("clusters of 2^{} bytes do not exist", header.cluster_bits));
  const auto header_length = header.header_length;
  if (header.version == 3 && (header_length < kVersion3Length || header_length % 8 != 0 || header_length > header.cluster_size()))
    corrupt(fmt::format("a header of {} bytes does not exist", header.header_length));
  if (header.refcount_order > 6) corrupt(fmt::format("reference counts of 2^{} bits do not exist", header.refcount_order));
  if (header.incompatible & kExtendedL2 && header.cluster_bits < 14) corrupt("its clusters are too small for subclusters");
  if (header.size == 0) unsupported("has no size: it holds no disk");
  if (header.size > static_cast<std::uint64_t>(kMaxVirtualSize)) unsupported("is larger than 64 TiB");
  if (header.size % 512 != 0) corrupt("its size is not a multiple of 512 bytes");
}

// A table must be aligned, behind the header's cluster, of a sane size and inside the file.
void check_table(std::string_view what, const Header& header, std::uint64_t offset, std::uint64_t bytes, std::uint64_t length) {
  if (offset == 0 || offset % header.cluster_size() != 0) corrupt(fmt::format("its {} is where none can be", what));
  if (offset > length || bytes > length - offset) truncated(fmt::format("its {} lies behind its end", what));
}

void check_tables(const Header& header, std::uint64_t length) {
  const auto cluster = header.cluster_size();
  const auto entries = cluster / (header.incompatible & kExtendedL2 ? 16 : 8);
  const auto needed = (header.size + cluster * entries - 1) / (cluster * entries);
  const auto l1_bytes = header.l1_size * 8;
  const auto refcount_bytes = header.refcount_table_clusters * cluster;
  if (header.l1_size < needed) corrupt("its L1 table is too small for its size");
  if (l1_bytes > kMaxL1Bytes) corrupt("its L1 table is larger than any can be");
  if (refcount_bytes == 0) corrupt("it has no reference counts");
  if (refcount_bytes > kMaxRefcountTableBytes) corrupt("its table of reference counts is larger than any can be");
  check_table("L1 table", header, header.l1_table_offset, l1_bytes, length);
  // Some writers do not fill up the last cluster of the file.
  check_table("table of reference counts", header, header.refcount_table_offset, refcount_bytes, rounded_up(length, cluster));
  if (header.l1_table_offset < header.refcount_table_offset + refcount_bytes &&
      header.refcount_table_offset < header.l1_table_offset + l1_bytes)
    corrupt("its tables overlap");
}

// Type and length, 4 bytes each, then data padded to 8, up to type 0 or the end of the first cluster. Unknown ones may be ignored.
// `base`: what a backing format must say; null where none may stand.
void check_extensions(const Header& header, Bytes bytes, const Qcow2Base* base) {
  const auto end = header.cluster_size();
  std::uint64_t offset = header.header_length;
  while (offset < end) {
    if (end - offset < 8) corrupt("its header extensions run over their end");
    if (bytes.size() < offset + 8) unsupported("has a header that is longer than any that is read here");
    const auto type = static_cast<std::uint32_t>(big_endian(bytes, offset, 4));
    const auto size = big_endian(bytes, offset + 4, 4);
    if (type == kEndOfExtensions) return;
    if (size > end - offset - 8) corrupt("a header extension runs over its end");
    if (type == kBackingFormat && base == nullptr) backing_file();
    if (type == kBackingFormat && (size != base->driver.size() || !has(bytes, offset + 8, base->driver))) corrupt("it is not based on what it was made on");
    if (type == kDataFileName) data_file();
    if (type == kFullDiskEncryption) encrypted();
    offset += 8 + rounded_up(size, 8);
  }
}

}  // namespace

bool has_qcow2_magic(Bytes header) { return has(header, 0, "QFI\xfb"sv); }

namespace {

Header read_checked(Bytes bytes) {
  if (bytes.size() < kVersion2Length) truncated("it ends inside its header");
  const auto header = read(bytes);
  if (header.version < 2 || header.version > 3) unsupported(fmt::format("is of version {}; 2 and 3 are known here", header.version));
  if (header.version == 3 && bytes.size() < kVersion3Length) truncated("it ends inside its header");
  return header;
}

std::int64_t check_rest(const Header& header, Bytes bytes, std::int64_t length, const Qcow2Base* base) {
  check_features(header);
  check_layout(header);
  check_tables(header, static_cast<std::uint64_t>(length));
  check_extensions(header, bytes, base);
  return static_cast<std::int64_t>(header.size);
}

}  // namespace

std::int64_t read_qcow2_header(Bytes bytes, std::int64_t length) {
  const auto header = read_checked(bytes);
  check_alone(header);
  return check_rest(header, bytes, length, nullptr);
}

std::int64_t read_own_qcow2_header(Bytes bytes, std::int64_t length, const Qcow2Base& base) {
  const auto header = read_checked(bytes);
  check_base(header, bytes, base);
  return check_rest(header, bytes, length, base.name.empty() ? nullptr : &base);
}

Qcow2Snapshots qcow2_snapshots(Bytes bytes) { return {big_endian(bytes, 64, 8), static_cast<std::uint32_t>(big_endian(bytes, 60, 4))}; }

}  // namespace velocity::storage
