#include "framework/plugin/trust.hpp"

#include <unistd.h>

#include <fmt/format.h>

namespace velocity::plugin {
namespace {

namespace fs = std::filesystem;

struct stat program() {
  struct stat status{};
  if (stat("/proc/self/exe", &status) != 0) status.st_uid = 0;
  return status;
}

bool trusted_owner(uid_t owner) { return owner == 0 || owner == geteuid() || owner == program().st_uid; }

// Who is neither the owner nor in a group that may write to the program itself (a checkout made with umask 002).
bool writable_by_others(const struct stat& status) {
  const auto own = program();
  const bool group_is_trusted = (own.st_mode & S_IWGRP) != 0 && own.st_gid == status.st_gid;
  return (status.st_mode & S_IWOTH) != 0 || ((status.st_mode & S_IWGRP) != 0 && !group_is_trusted);
}

// A directory that this program itself lies under is no new danger.
bool holds_this_program(const fs::path& directory) {
  std::error_code ignored;
  const auto program = fs::read_symlink("/proc/self/exe", ignored);
  for (auto above = program.parent_path(); !above.empty(); above = above.parent_path()) {
    if (above == directory) return true;
    if (above == above.root_path()) break;
  }
  return false;
}

}  // namespace

std::optional<Refusal> trust_fault(const fs::path& file, const struct stat& status) {
  if (!trusted_owner(status.st_uid))
    return Refusal{"plugin.untrusted_owner", fmt::format("the file belongs to user {}, who is neither root nor the server's user", status.st_uid),
                   fmt::format("chown root {}", file.string())};
  if (writable_by_others(status))
    return Refusal{"plugin.untrusted_writable", fmt::format("others than its owner may write to the file (mode {:04o})", status.st_mode & 07777U),
                   fmt::format("chmod go-w {}", file.string())};
  for (auto directory = file.parent_path();; directory = directory.parent_path()) {
    struct stat above{};
    if (stat(directory.c_str(), &above) != 0)
      return Refusal{"plugin.unreadable", fmt::format("the directory {} cannot be looked at", directory.string()), "give the server's user access to it"};
    // In a sticky directory (/tmp) nobody else can rename or remove what is ours.
    const bool open = writable_by_others(above) && (above.st_mode & S_ISVTX) == 0;
    if ((open || !trusted_owner(above.st_uid)) && !holds_this_program(directory))
      return Refusal{"plugin.untrusted_directory", fmt::format("others may exchange the file: they can change the directory {}", directory.string()),
                     fmt::format("chown root {0} && chmod go-w {0}", directory.string())};
    if (directory == directory.root_path()) return std::nullopt;
  }
}

}  // namespace velocity::plugin
