// Reads and judges the volume descriptors of a CD or DVD image after ECMA-119 (ISO 9660). Included by the inspector only.
#pragma once

#include <cstdint>

#include "framework/storage/bytes.hpp"

namespace velocity::storage {

// `header`: the first bytes of the file, all that there are up to ImageInspector::kHeaderBytes. Throws Error(image_format_mismatch |
// image_corrupt | image_truncated) unless there is a primary volume descriptor whose volume lies inside the file.
void check_iso9660(Bytes header, std::int64_t length);

}  // namespace velocity::storage
