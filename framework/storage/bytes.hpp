// Reading numbers and marks out of an image's bytes without ever leaving them. Included by the header readers of this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace velocity::storage {

using Bytes = std::span<const std::byte>;

// A number of `width` bytes; the caller has made sure that it lies inside, and outside is 0 all the same.
inline std::uint64_t big_endian(Bytes bytes, std::size_t offset, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width && offset + i < bytes.size(); ++i)
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[offset + i]);
  return value;
}

inline std::uint64_t little_endian(Bytes bytes, std::size_t offset, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width && offset + i < bytes.size(); ++i)
    value |= std::to_integer<std::uint64_t>(bytes[offset + i]) << (8 * i);
  return value;
}

inline bool has(Bytes bytes, std::size_t offset, std::string_view mark) {
  return offset <= bytes.size() && mark.size() <= bytes.size() - offset &&
         std::memcmp(bytes.data() + offset, mark.data(), mark.size()) == 0;
}

constexpr std::uint64_t rounded_up(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace velocity::storage
