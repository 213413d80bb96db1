#include "framework/service/console_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "framework/model/error.hpp"

namespace velocity::service {
namespace {

class File {
 public:
  File(const std::filesystem::path& file, int mode) : fd_(::open(file.c_str(), mode | O_CLOEXEC | O_NOFOLLOW)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  std::int64_t size() const {
    struct stat status{};
    return ::fstat(fd_, &status) == 0 ? status.st_size : 0;
  }

 private:
  int fd_;
};

}  // namespace

std::string console_tail(const std::filesystem::path& path, std::int64_t tail) {
  const File file(path, O_RDONLY);
  if (file.fd() < 0) {
    if (errno == ENOENT) return {};
    throw model::Error(model::ErrorCode::storage_failed, "The console's log cannot be read", std::strerror(errno));
  }
  const auto size = file.size();
  const auto length = std::clamp<std::int64_t>(tail, 0, std::min(size, kConsoleLogBytes));
  std::string text(static_cast<std::size_t>(length), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const auto got = ::pread(file.fd(), text.data() + filled, text.size() - filled, size - length + static_cast<std::int64_t>(filled));
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  text.resize(filled);
  return text;
}

void bound_console_log(const std::filesystem::path& path) noexcept {
  const File file(path, O_RDWR);
  if (file.fd() < 0) return;
  const auto size = file.size();
  if (size <= 2 * kConsoleLogBytes) return;
  ::fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size - kConsoleLogBytes);
}

}  // namespace velocity::service
