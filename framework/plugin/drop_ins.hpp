// plugins.d: what packages and the administrator say of each plugin. Included by the daemon and by velocity-plugin.
#pragma once

#include <filesystem>
#include <vector>

#include "framework/plugin/registry.hpp"

namespace velocity::plugin {

// Reads <plugin>.toml of each directory, the packages' first and the administrator's last:
//   enabled = false          # whether it is loaded
//   [settings]               # for the plugin's `configure`
// What a later directory says counts, key by key; what `settings` has already (from the configuration file) counts before all of it.
// A file that cannot be understood, or that others than root and the server's user may change, refuses its plugin and no other.
void read_drop_ins(const std::vector<std::filesystem::path>& directories, RegistrySettings& settings);

}  // namespace velocity::plugin
