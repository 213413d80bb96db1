#include "server/daemon/first_start.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "framework/model/json.hpp"
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

}  // namespace

RootPassword take_root_password(const Settings& settings) {
  std::string given;
  if (const char* variable = std::getenv(kVariable)) given = variable;
  ::unsetenv(kVariable);
  if (!settings.root_password_file.empty()) {
    std::ifstream file(settings.root_password_file);
    given.clear();
    if (!std::getline(file, given) || given.empty())
      throw ConfigError(fmt::format("{}: root's password must be the file's first line", settings.root_password_file));
    if (given.back() == '\r') given.pop_back();
  }
  if (given.empty()) return {random_password(), true};
  return {given, false};
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
