// Root's password at the first start and when it was lost, and telling that the server is ready. Included by the composition root and main.
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
// Throws ConfigError when the file cannot be read or is empty, or the password is too short.
RootPassword take_root_password(const Settings& settings);

// Where nobody sits at the terminal: into a file of the state directory that only the server's user may read, so that it does not end in a log.
void keep_password(const std::filesystem::path& state, const std::string& password);

// What to say of it: "Its password, shown this once: …", or where it is kept.
std::string tell_password(const std::filesystem::path& state, const std::string& password);

// Of a server that is stopped: the password becomes root's, and whoever is signed in as root is out. Throws ConfigError when there is no root yet.
void reset_root_password(const Settings& settings, const std::string& password);

// {"url", "pid"}: whole or not there.
void write_ready_file(const std::filesystem::path& file, const std::string& url);

}  // namespace velocity::daemon
