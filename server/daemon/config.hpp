// From the command line and the configuration file to settings. Included by main.
#pragma once

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "server/daemon/settings.hpp"

namespace velocity::daemon {

// What is wrong with the configuration, for the person who wrote it: where, what, and what to do.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The command line's options over the file's settings over the defaults. Answers nothing when the command line only asked for text (--help,
// --version,
// --print-config), which `text` then holds. Throws ConfigError.
std::optional<Settings> read_configuration(int argc, const char* const* argv, const std::string& version, std::string& text);

void load_file(Settings& settings, const std::filesystem::path& file);
std::string print_configuration(const Settings& settings);  // as a file that load_file() reads back to the same

}  // namespace velocity::daemon
