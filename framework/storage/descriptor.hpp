// The system calls of this room on files, with their errors made ours. Included by this room only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "framework/model/error.hpp"
#include "framework/process/descriptor.hpp"
#include "framework/storage/bytes.hpp"

namespace velocity::storage {

using process::Descriptor;

// The error of a failed system call: storage_full where room or a limit of size is the cause, else storage_failed.
model::Error system_error(int number, const std::string& doing);

// All of these throw system_error(); none follows a symbolic link at the path's end, and what they open is closed on exec.
Descriptor open_file(const std::filesystem::path& path, int flags, unsigned mode = 0);
void write_at(const Descriptor& file, std::uint64_t offset, Bytes bytes);  // all of them
void sync_file(const std::filesystem::path& path);  // a directory too
void rename_file(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace velocity::storage
