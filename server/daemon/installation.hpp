// Where the other files of an installation are, or of a build tree, seen from the program that runs. Included by the composition root and
// plugin_settings.hpp.
#pragma once

#include <filesystem>
#include <vector>

namespace velocity::daemon {

struct Installation {
  std::filesystem::path plugins;        // the directory
  std::filesystem::path probe_program;  // velocity-plugin; empty when it is not there
  std::vector<std::filesystem::path> drop_ins;  // plugins.d of the packages, then of the administrator; none in a build tree
  std::filesystem::path configuration;          // the service's file; empty in a build tree, and when there is none
};

Installation find_installation();
const char* server_version();

}  // namespace velocity::daemon
