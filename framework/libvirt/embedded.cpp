#include "framework/libvirt/embedded.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include "framework/model/error.hpp"

namespace velocity::libvirt {

namespace {

// libvirt adds this much (with a domain id of six digits) to make the monitor's socket.
constexpr std::string_view kLongestSocket = "/lib/qemu/domain-100000-00000000-0000-0000-0/monitor.sock";

constexpr std::size_t kLongestRoot = sizeof(sockaddr_un::sun_path) - 1 - kLongestSocket.size();

// stdio_handler: without it libvirt wants virtlogd, and without virtlogd a later call hangs.
// dynamic_ownership: on, libvirt chowns whatever file a disk names, and an image's backing file too.
// namespaces, cgroup_controllers: both need a systemd or privileges that a container lacks; they are libvirtd's business.
constexpr std::string_view kConfiguration =
    "# Written at every start; changes are lost.\n"
    "stdio_handler = \"file\"\n"
    "dynamic_ownership = 0\n"
    "remember_owner = 0\n"
    "cgroup_controllers = []\n"
    "namespaces = []\n"
    "security_driver = \"none\"\n"
    "seccomp_sandbox = 1\n";

// As root the driver would run QEMU as a user of its own, who may not read files that belong to root and are 0600.
constexpr std::string_view kRootConfiguration =
    "user = \"root\"\n"
    "group = \"root\"\n"
    "swtpm_user = \"root\"\n"
    "swtpm_group = \"root\"\n";

constexpr std::uintmax_t kLongestLog = 256U << 10;

std::filesystem::path log_file(const std::filesystem::path& root, model::MachineId id) { return root / "log/qemu" / (id.text() + ".log"); }

[[noreturn]] void unusable(const std::filesystem::path& path, const std::string& why) {
  throw model::Error(model::ErrorCode::hypervisor_unavailable, "The embedded hypervisor's directory cannot be used",
                     fmt::format("{}: {}", path.string(), why));
}

void make_directory(const std::filesystem::path& path) {
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  if (failure) unusable(path, failure.message());
  if (::chmod(path.c_str(), 0700) != 0) unusable(path, std::generic_category().message(errno));
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_configuration(const std::filesystem::path& path) {
  std::string text(kConfiguration);
  if (::geteuid() == 0) text += kRootConfiguration;
  if (read_file(path) == text) return;
  const std::filesystem::path fresh = path.string() + ".new";
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) unusable(fresh, "cannot be written");
  std::error_code failure;
  std::filesystem::rename(fresh, path, failure);
  if (failure) unusable(path, failure.message());
}

// A probe of the emulator's capabilities whose process was killed leaves its QEMU waiting for ever. Each has a directory with its pid in
// it.
void end_orphaned_probes(const std::filesystem::path& root) {
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(root / "lib/qemu", failure)) {
    if (!entry.path().filename().string().starts_with("qmp-")) continue;
    const std::string text = read_file(entry.path() / "qmp.pid");
    const auto pid = static_cast<pid_t>(std::strtol(text.c_str(), nullptr, 10));
    // The number may be somebody else's by now.
    if (pid > 1 && read_file(fmt::format("/proc/{}/cmdline", pid)).find(entry.path().filename()) != std::string::npos) ::kill(pid, SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

// FNV-1a: the same name for the same root in every run.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

std::filesystem::path runtime_directory() {
  const char* own = std::getenv("XDG_RUNTIME_DIR");
  // Short enough that the name below it fits.
  if (own != nullptr && std::string_view(own).starts_with('/') && std::string_view(own).size() < kLongestRoot / 3 &&
      ::access(own, W_OK) == 0)
    return own;
  return ::geteuid() == 0 && ::access("/run", W_OK) == 0 ? "/run" : "/tmp";
}

std::filesystem::path short_path(const std::filesystem::path& root) {
  if (root.native().size() <= kLongestRoot) return root;
  const std::filesystem::path link = runtime_directory() / fmt::format("velocity-{}-{:016x}", ::geteuid(), hash(root.native()));
  if (::symlink(root.c_str(), link.c_str()) == 0) return link;
  if (errno != EEXIST) unusable(link, std::generic_category().message(errno));
  // In /tmp anybody could have put something there before us.
  struct stat status {};
  std::error_code failure;
  const bool ours = ::lstat(link.c_str(), &status) == 0 && S_ISLNK(status.st_mode) && status.st_uid == ::geteuid();
  if (!ours || std::filesystem::read_symlink(link, failure) != root) unusable(link, "is not the symbolic link that it should be");
  return link;
}

std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/-_.~").find(c) != std::string_view::npos;
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace

std::string prepare_embedded(const std::filesystem::path& root) {
  if (!root.is_absolute()) unusable(root, "is not an absolute path");
  make_directory(root);
  make_directory(root / "etc");
  write_configuration(root / "etc" / "qemu.conf");
  end_orphaned_probes(root);
  return "qemu:///embed?root=" + percent_encoded(short_path(root).native());
}

void trim_log(const std::filesystem::path& root, model::MachineId id) {
  std::error_code absent;
  const auto size = std::filesystem::file_size(log_file(root, id), absent);
  if (!absent && size > kLongestLog) remove_log(root, id);
}

void remove_log(const std::filesystem::path& root, model::MachineId id) {
  std::error_code absent;
  std::filesystem::remove(log_file(root, id), absent);
}

}  // namespace velocity::libvirt
