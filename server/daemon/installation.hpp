// Where this program's other files are: installed, or in a build tree. Included by the composition root.
#pragma once

#include <filesystem>
#include <vector>

namespace velocity::daemon {

struct Installation {
  std::filesystem::path plugins;        // the directory
  std::filesystem::path probe_program;  // velocity-plugin; empty when it is not there
  std::vector<std::filesystem::path> drop_ins;  // plugins.d of the packages, then of the administrator; none in a build tree
};

Installation find_installation();
const char* server_version();

}  // namespace velocity::daemon
