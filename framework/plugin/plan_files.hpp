// Reads the files of a plan out of a plugin's reply. Included by the loaded types only.
#pragma once

#include <string>
#include <vector>

#include "framework/plugin/registry.hpp"

namespace velocity::plugin {

// Throws Error(plugin_failed) for what makes no sense; never with the content of a file in it.
std::vector<PlanFile> files_of(const Json& reply, const std::string& plugin);

}  // namespace velocity::plugin
