// Writes qcow2 images that hold nothing yet: an empty disk, or an overlay over a base. Included by the volumes only.
#pragma once

#include <cstdint>
#include <filesystem>

#include "framework/storage/qcow2_header.hpp"

namespace velocity::storage {

// Not by qemu-img, though it could: such an image is one header and three tables of a few numbers, all of them ours, so there is nothing
// to be walled in, and the program's start alone takes 10 ms, behind the walls 16; this takes less than one.
// `file` must not exist, and is made for its owner only. `virtual_size`: whole sectors. `base` is named, and neither opened nor looked for;
// without names the image stands for itself. Nothing is synced. Throws Error(storage_full | storage_failed).
void write_empty_qcow2(const std::filesystem::path& file, std::int64_t virtual_size, const Qcow2Base& base = {});

}  // namespace velocity::storage
