#include "framework/storage/iso9660.hpp"

#include <fmt/format.h>

#include "framework/model/error.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;
using namespace std::string_view_literals;

constexpr std::size_t kSector = 2048;
constexpr std::size_t kFirstDescriptor = 16 * kSector;
constexpr std::uint64_t kPrimary = 1, kTerminator = 255;

// Numbers are recorded twice, in both byte orders.
std::uint64_t both_endian(Bytes descriptor, std::size_t offset, std::size_t width) {
  const auto value = little_endian(descriptor, offset, width);
  if (value != big_endian(descriptor, offset + width, width))
    throw Error(ErrorCode::image_corrupt, "The ISO image is damaged: its volume descriptor contradicts itself. Fetch or copy it again");
  return value;
}

void check_primary(Bytes descriptor, std::int64_t length) {
  const auto blocks = both_endian(descriptor, 80, 4);
  const auto block_size = both_endian(descriptor, 128, 2);
  if (blocks == 0 || (block_size != 512 && block_size != 1024 && block_size != kSector))
    throw Error(ErrorCode::image_corrupt, "The ISO image is damaged: its volume has no sane size. Fetch or copy it again");
  if (blocks * block_size > static_cast<std::uint64_t>(length))
    throw Error(ErrorCode::image_truncated,
                fmt::format("The ISO image is cut off: it says that it has {} bytes, and there are {}. Fetch or copy it again",
                            blocks * block_size, length));
}

}  // namespace

void check_iso9660(Bytes header, std::int64_t length) {
  if (!has(header, kFirstDescriptor + 1, "CD001"sv))
    throw Error(ErrorCode::image_format_mismatch, "The image is not an ISO 9660 image. Upload a disk as raw or qcow2");
  for (std::size_t offset = kFirstDescriptor; offset + kSector <= header.size(); offset += kSector) {
    const auto descriptor = header.subspan(offset, kSector);
    const auto type = big_endian(descriptor, 0, 1);
    if (!has(descriptor, 1, "CD001"sv) || type == kTerminator) break;
    if (type == kPrimary) return check_primary(descriptor, length);
  }
  if (header.size() < kFirstDescriptor + kSector)
    throw Error(ErrorCode::image_truncated, "The ISO image is cut off: it ends inside its volume descriptors. Fetch or copy it again");
  throw Error(ErrorCode::image_corrupt, "The ISO image is damaged: it has no primary volume descriptor. Fetch or copy it again");
}

}  // namespace velocity::storage
