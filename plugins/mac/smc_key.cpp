#include "plugins/mac/smc_key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

namespace velocity::mac {

namespace {

constexpr int kMostKeys = 4096;  // a controller has some hundred

SmcKey none(std::string why_not) { return {{}, std::move(why_not)}; }

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

// QEMU's configuration files have no way to write a quotation mark.
bool is_key(const std::string& text) {
  return text.size() == kKeyLength && std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"'; });
}

SmcKey from_file(const std::filesystem::path& path) {
  const std::string setting = "The file of the setting smc_key_file ";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return none(setting + "cannot be opened: " + std::strerror(errno));
  struct stat status {};
  std::string text(kKeyLength + 3, '\0');
  const bool regular = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  const auto size = regular ? ::read(file, text.data(), text.size()) : 0;
  ::close(file);
  if (!regular) return none(setting + "is no regular file");
  if ((status.st_mode & 077) != 0) return none(setting + "can be read by others than its owner: chmod 600");
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) return none(setting + "belongs to another user than root and the server's");
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  text = trimmed(std::move(text));
  if (!is_key(text)) return none(setting + "holds no key: one has 64 characters");
  return {std::move(text), {}};
}

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The driver shows one of the controller's values at a time: the one whose number was written last.
std::optional<std::string> value_at(const std::filesystem::path& controller, int number, const std::string& wanted) {
  std::ofstream(controller / "key_at_index") << number;
  if (trimmed(content(controller / "key_at_index_name")) != wanted) return std::nullopt;
  return content(controller / "key_at_index_data");
}

SmcKey from_hardware(const KeySources& sources) {
  if (trimmed(content(sources.vendor)) != "Apple Inc.")
    return none("This host is no Apple hardware, and the administrator has set no smc_key_file for the plugin mac");
  const int count = std::min(std::atoi(content(sources.controller / "key_count").c_str()), kMostKeys);
  if (count <= 0)
    return none("This Apple computer's system management controller cannot be read: load the driver applesmc, and run the server as root");
  std::string key;
  for (int number = 0; number < count && key.size() < kKeyLength; ++number)
    if (const auto part = value_at(sources.controller, number, key.empty() ? "OSK0" : "OSK1")) key += *part;
  if (!is_key(key)) return none("This Apple computer's system management controller does not tell its key: run the server as root");
  return {std::move(key), {}};
}

}  // namespace

SmcKey find_smc_key(const KeySources& sources) { return sources.file.empty() ? from_hardware(sources) : from_file(sources.file); }

}  // namespace velocity::mac
