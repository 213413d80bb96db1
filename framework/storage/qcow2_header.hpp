// Reads and judges the header of a qcow2 image, versions 2 and 3, after docs/interop/qcow2.txt of QEMU. Included by the
// inspector and by what looks at our own volumes.
#pragma once

#include <cstdint>
#include <string_view>

#include "framework/storage/bytes.hpp"

namespace velocity::storage {

inline constexpr std::int64_t kMaxVirtualSize = std::int64_t{64} << 40;

bool has_qcow2_magic(Bytes header);  // of any version

// `header`: the first bytes of the file, all that there are up to ImageInspector::kHeaderBytes. `length`: the whole file's.
// Returns the virtual size in bytes. Throws Error(image_*) unless the image stands for itself alone and its tables can be where it says.
std::int64_t read_qcow2_header(Bytes header, std::int64_t length);

// The same of a volume that we have made and a guest's QEMU has written to. It may have snapshots; and it must name exactly this file, of
// this format, as its base, or none when both are empty.
struct Qcow2Base {
  std::string_view name;
  std::string_view driver;  // "qcow2" or "raw"
};
std::int64_t read_own_qcow2_header(Bytes header, std::int64_t length, const Qcow2Base& base);

// Where its snapshots are told of, and how many there are. Of a header that has passed.
struct Qcow2Snapshots {
  std::uint64_t offset = 0;
  std::uint32_t count = 0;
};
Qcow2Snapshots qcow2_snapshots(Bytes header);

}  // namespace velocity::storage
