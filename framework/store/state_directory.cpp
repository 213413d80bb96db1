#include "framework/store/state_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "framework/model/error.hpp"

namespace velocity::store {
namespace {

using model::Error;
using model::ErrorCode;

void make_private(const std::filesystem::path& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0) return;
  const int why = errno;
  struct stat status{};
  if (::lstat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    throw Error(ErrorCode::storage_failed, fmt::format("Cannot make the directory {}: {}", directory.string(), std::strerror(why)));
  if (status.st_uid != ::geteuid())
    throw Error(ErrorCode::storage_failed, fmt::format("The directory {} belongs to another user. Give another one with --state", directory.string()));
  if ((status.st_mode & 077) != 0 && ::chmod(directory.c_str(), 0700) != 0)
    throw Error(ErrorCode::storage_failed, fmt::format("Cannot make the directory {} private: {}", directory.string(), std::strerror(errno)));
}

process::Descriptor take_lock(const std::filesystem::path& file, const std::filesystem::path& directory) {
  process::Descriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) throw Error(ErrorCode::storage_failed, fmt::format("Cannot open {}: {}", file.string(), std::strerror(errno)));
  if (::flock(lock.number(), LOCK_EX | LOCK_NB) == 0) {
    const auto text = fmt::format("{}\n", ::getpid());
    if (::ftruncate(lock.number(), 0) != 0 || ::write(lock.number(), text.data(), text.size()) < 0) {
      // The number only serves the message below; the lock holds without it.
    }
    return lock;
  }
  char holder[32] = {};
  const auto length = ::read(lock.number(), holder, sizeof holder - 1);
  std::string who(holder, length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!who.empty() && who.back() == '\n') who.pop_back();
  throw Error(ErrorCode::storage_failed, fmt::format("Another server{} uses the state directory {}. Stop it, or give another directory with --state",
                                                     who.empty() ? "" : " (process " + who + ")", directory.string()));
}

}  // namespace

StateDirectory::StateDirectory(const std::filesystem::path& directory) {
  std::error_code failed;
  const auto parent = std::filesystem::absolute(directory).parent_path();
  std::filesystem::create_directories(parent, failed);
  if (failed)
    throw Error(ErrorCode::storage_failed, fmt::format("Cannot make the directory {}: {}. Give another state directory with --state", parent.string(), failed.message()));
  directory_ = std::filesystem::weakly_canonical(std::filesystem::absolute(directory), failed);
  if (failed) throw Error(ErrorCode::storage_failed, fmt::format("Cannot use the state directory {}: {}", directory.string(), failed.message()));
  make_private(directory_);
  lock_ = take_lock(directory_ / "lock", directory_);
  for (const auto& part : {directory_ / "pools", pool(), incoming(), nvram(), machines(), libvirt(), run(), log(), console_logs(), cache()}) make_private(part);
}

}  // namespace velocity::store
