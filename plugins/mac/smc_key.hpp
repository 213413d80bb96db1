// The key that macOS asks the system management controller for. It is Apple's: it comes from Apple hardware that the server runs on, or
// from a file of the administrator's, and nowhere else. Included by mac.cpp only.
#pragma once

#include <filesystem>
#include <string>

namespace velocity::mac {

struct KeySources {
  std::filesystem::path file;                                             // the administrator's; empty when there is none
  std::filesystem::path vendor = "/sys/class/dmi/id/sys_vendor";          // says whose hardware this is
  std::filesystem::path controller = "/sys/devices/platform/applesmc.768";  // Linux's driver applesmc
};

// Never logged, never in a message.
struct SmcKey {
  std::string text;     // kLength bytes, or empty
  std::string why_not;  // a sentence for people, when it is empty
};

constexpr std::size_t kKeyLength = 64;

// The file is asked first. It must be the administrator's alone: 0600 or less, and no symbolic link.
SmcKey find_smc_key(const KeySources& sources);

}  // namespace velocity::mac
