#include "server/daemon/installation.hpp"

namespace velocity::daemon {

Installation find_installation() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto directory = program.parent_path();
  std::filesystem::path plugins = directory.parent_path() / VELOCITY_PLUGIN_DIRECTORY;
  std::filesystem::path probe = directory.parent_path() / VELOCITY_PROGRAM_DIRECTORY / "velocity-plugin";
  if (directory.filename() == "daemon" && directory.parent_path().filename() == "server") {
    const auto tree = directory.parent_path().parent_path();
    plugins = tree / "plugins";
    probe = tree / "bin" / "velocity-plugin";
  }
  if (std::error_code failed; !std::filesystem::exists(probe, failed)) probe.clear();
  return {plugins, probe};
}

const char* server_version() { return VELOCITY_VERSION; }

}  // namespace velocity::daemon
