#include "server/daemon/installation.hpp"

namespace velocity::daemon {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& file) {
  std::error_code failed;
  return fs::exists(file, failed);
}

}  // namespace

Installation find_installation() {
  const auto prefix = fs::read_symlink("/proc/self/exe").parent_path().parent_path();  // of what is in bin or sbin
  for (const auto& tree : {prefix, prefix.parent_path()})  // of bin/velocity-plugin, of server/daemon/velocityd
    if (is_there(tree / "CMakeCache.txt")) {
      const auto probe = tree / "bin" / "velocity-plugin";
      return {tree / "plugins", is_there(probe) ? probe : fs::path(), {}, {}};
    }
  const fs::path plugins = prefix / VELOCITY_PLUGIN_DIRECTORY;
  const fs::path probe = prefix / VELOCITY_PROGRAM_DIRECTORY / "velocity-plugin";
  const fs::path configuration = VELOCITY_CONFIGURATION_DIRECTORY "/velocityd.toml";
  return {plugins, is_there(probe) ? probe : fs::path(), {plugins.parent_path() / "plugins.d", VELOCITY_CONFIGURATION_DIRECTORY "/plugins.d"},
          is_there(configuration) ? configuration : fs::path()};
}

const char* server_version() { return VELOCITY_VERSION; }

}  // namespace velocity::daemon
