#include "server/daemon/first_start.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "framework/model/json.hpp"
#include "framework/process/descriptor.hpp"
#include "framework/service/accounts.hpp"
#include "framework/store/state_directory.hpp"
#include "server/daemon/config.hpp"

namespace velocity::daemon {
namespace {

constexpr const char* kVariable = "VELOCITY_ROOT_PASSWORD";

// 80 random bits, in letters and digits that are not taken for each other.
std::string random_password() {
  static constexpr std::string_view kAlphabet = "abcdefghjkmnpqrstuvwxyz123456789";
  static_assert(kAlphabet.size() == 32);
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("the kernel gives no random numbers");
  std::string password;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && i % 4 == 0) password += '-';
    password += kAlphabet[bytes[i] % kAlphabet.size()];
  }
  return password;
}

bool is_shown() { return ::isatty(STDOUT_FILENO) == 1; }

std::filesystem::path file_with_password(const std::filesystem::path& state) { return std::filesystem::absolute(state) / "root-password"; }

}  // namespace

RootPassword take_root_password(const Settings& settings) {
  std::string given;
  if (const char* variable = std::getenv(kVariable)) given = variable;
  ::unsetenv(kVariable);
  if (!settings.root_password_file.empty()) {
    const auto& name = settings.root_password_file;
    if (std::error_code failed; std::filesystem::is_directory(name, failed)) throw ConfigError(fmt::format("{}: a directory is no file with root's password", name));
    std::ifstream file(name);
    if (!file) throw ConfigError(fmt::format("{}: the file with root's password cannot be read: {}", name, std::strerror(errno)));
    given.clear();
    std::getline(file, given);
    if (!given.empty() && given.back() == '\r') given.pop_back();
    if (given.empty()) throw ConfigError(fmt::format("{}: root's password must be the file's first line", name));
  }
  if (given.empty()) return {random_password(), true};
  if (service::is_too_short(given)) throw ConfigError(fmt::format("root's password must have at least {} characters", service::kLeastPassword));
  return {given, false};
}

void keep_password(const std::filesystem::path& state, const std::string& password) {
  if (is_shown()) return;
  const auto file = file_with_password(state);
  std::filesystem::remove(file);
  const process::Descriptor descriptor(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  const auto line = password + "\n";
  if (!descriptor || ::write(descriptor.number(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) || ::fsync(descriptor.number()) != 0)
    throw std::runtime_error(fmt::format("{}: root's password cannot be written there: {}", file.string(), std::strerror(errno)));
}

std::string tell_password(const std::filesystem::path& state, const std::string& password) {
  if (is_shown()) return fmt::format("Its password, shown this once: {}", password);
  const auto file = file_with_password(state);
  return fmt::format("Its password is in {}, which only the server's user may read: sign in, change it, and remove the file", file.string());
}

void reset_root_password(const Settings& settings, const std::string& password) {
  const std::filesystem::path state(settings.state);
  if (!std::filesystem::exists(state / "velocity.db"))
    throw ConfigError(fmt::format("{} is no server's state directory: --state says where that is. The first start makes root", state.string()));
  const store::StateDirectory directory(state);  // refused while a server has it
  store::Database database(directory.database());
  service::Inventory inventory(database);
  service::Passwords passwords;
  if (!service::reset_root(inventory, passwords, password)) throw ConfigError("there is no user root yet: the first start makes it");
}

void write_ready_file(const std::filesystem::path& file, const std::string& url) {
  auto unfinished = file;
  unfinished += fmt::format(".{}", ::getpid());
  {
    std::ofstream stream(unfinished, std::ios::trunc);
    stream << model::dump_json({{"url", url}, {"pid", ::getpid()}}) << '\n';
    stream.flush();
    if (!stream) throw ConfigError(fmt::format("{}: the ready file cannot be written", file.string()));
  }
  std::filesystem::rename(unfinished, file);
}

}  // namespace velocity::daemon
