#include "server/daemon/plugin_settings.hpp"

#include "framework/plugin/drop_ins.hpp"

namespace velocity::daemon {

plugin::RegistrySettings plugin_settings(const Settings& settings, const Installation& installation) {
  plugin::RegistrySettings registry;
  for (const auto& directory : settings.plugin_directories) registry.directories.emplace_back(std::filesystem::absolute(directory));
  if (registry.directories.empty()) registry.directories.push_back(installation.plugins);
  registry.disabled = settings.disabled_plugins;
  registry.probe_program = installation.probe_program;
  registry.configuration = settings.plugin_configuration;
  std::vector<std::filesystem::path> drop_ins;
  for (const auto& directory : settings.drop_in_directories) drop_ins.emplace_back(std::filesystem::absolute(directory));
  plugin::read_drop_ins(drop_ins.empty() ? installation.drop_ins : drop_ins, registry);
  return registry;
}

}  // namespace velocity::daemon
