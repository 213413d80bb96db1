// Reads and judges the header of a qcow2 image, versions 2 and 3, after docs/interop/qcow2.txt of QEMU. Included by the inspector only.
#pragma once

#include <cstdint>

#include "framework/storage/bytes.hpp"

namespace velocity::storage {

inline constexpr std::int64_t kMaxVirtualSize = std::int64_t{64} << 40;

bool has_qcow2_magic(Bytes header);  // of any version

// `header`: the first bytes of the file, all that there are up to ImageInspector::kHeaderBytes. `length`: the whole file's.
// Returns the virtual size in bytes. Throws Error(image_*) unless the image stands for itself alone and its tables can be where it says.
std::int64_t read_qcow2_header(Bytes header, std::int64_t length);

}  // namespace velocity::storage
