#include "framework/storage/descriptor.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace velocity::storage {

using model::Error;
using model::ErrorCode;

Error system_error(int number, const std::string& doing) {
  const auto detail = fmt::format("{}: {}", doing, std::generic_category().message(number));
  if (number == ENOSPC || number == EDQUOT) return Error(ErrorCode::storage_full, "The storage pool is full", detail);
  if (number == EFBIG) return Error(ErrorCode::storage_full, "The storage pool's file system cannot hold so large an image", detail);
  return Error(ErrorCode::storage_failed, "The storage pool does not work", detail);
}

Descriptor open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  Descriptor file(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file) throw system_error(errno, "open " + path.string());
  return file;
}

void write_at(const Descriptor& file, std::uint64_t offset, Bytes bytes) {
  while (!bytes.empty()) {
    const auto written = ::pwrite(file.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw system_error(errno, "write");
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void sync_file(const std::filesystem::path& path) {
  const auto file = open_file(path, O_RDONLY);
  if (::fsync(file.number()) != 0) throw system_error(errno, "fsync " + path.string());
}

void rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw system_error(errno, fmt::format("rename {} to {}", from.string(), to.string()));
}

}  // namespace velocity::storage
