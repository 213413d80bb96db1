// Root's password at the first start, and telling that the server is ready. Included by the composition root and main.
#pragma once

#include <filesystem>
#include <string>

#include "server/daemon/settings.hpp"

namespace velocity::daemon {

struct RootPassword {
  std::string text;
  bool generated = false;  // by us: it must be shown, this once
};

// From the file, else from VELOCITY_ROOT_PASSWORD, else random. The variable is taken out of the environment, which children would inherit.
// Throws ConfigError when the file cannot be read or is empty.
RootPassword take_root_password(const Settings& settings);

// {"url", "pid"}: whole or not there.
void write_ready_file(const std::filesystem::path& file, const std::string& url);

}  // namespace velocity::daemon
