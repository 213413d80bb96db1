#include "framework/storage/reading.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

#include "framework/storage/descriptor.hpp"

namespace velocity::storage {

Reading::Reading(const std::filesystem::path& path) : file_(open_file(path, O_RDONLY | O_NONBLOCK)) {
  struct stat status{};
  if (::fstat(file_.number(), &status) != 0) throw system_error(errno, "fstat " + path.string());
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
    throw model::Error(model::ErrorCode::image_corrupt, "The image is not a plain file", path.string());
  size_ = status.st_size;
  modified_ = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
}

std::size_t Reading::read(std::int64_t offset, std::span<std::byte> bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto got = ::pread(file_.number(), bytes.data() + done, bytes.size() - done, offset + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "read a volume");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace velocity::storage
