// What guests wrote to their serial ports: QEMU appends to a file of each machine, we keep the last part of it. Included by the machine
// service and the recovery.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace velocity::service {

inline constexpr std::int64_t kConsoleLogBytes = 1 << 20;

// The last `tail` bytes, at most kConsoleLogBytes. A machine that never ran has none: the empty text. Throws Error(storage_failed).
std::string console_tail(const std::filesystem::path& file, std::int64_t tail);

// Gives back the disk space of all but the last kConsoleLogBytes, without disturbing QEMU, which goes on appending: the file keeps its
// length and gets a hole at its beginning (fallocate(2), FALLOC_FL_PUNCH_HOLE). Never throws: a file system without holes keeps the bytes.
void bound_console_log(const std::filesystem::path& file) noexcept;

}  // namespace velocity::service
