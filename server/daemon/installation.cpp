#include "server/daemon/installation.hpp"

namespace velocity::daemon {

Installation find_installation() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto directory = program.parent_path();
  std::filesystem::path plugins = directory.parent_path() / VELOCITY_PLUGIN_DIRECTORY;
  std::filesystem::path probe = directory.parent_path() / VELOCITY_PROGRAM_DIRECTORY / "velocity-plugin";
  std::vector<std::filesystem::path> drop_ins{plugins.parent_path() / "plugins.d", VELOCITY_CONFIGURATION_DIRECTORY "/plugins.d"};
  if (directory.filename() == "daemon" && directory.parent_path().filename() == "server") {
    const auto tree = directory.parent_path().parent_path();
    plugins = tree / "plugins";
    probe = tree / "bin" / "velocity-plugin";
    drop_ins.clear();
  }
  if (std::error_code failed; !std::filesystem::exists(probe, failed)) probe.clear();
  return {plugins, probe, drop_ins};
}

const char* server_version() { return VELOCITY_VERSION; }

}  // namespace velocity::daemon
