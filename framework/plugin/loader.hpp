// Takes a plugin file that was found sound into the process and makes types of what it brings. Included by registry.cpp, and by
// velocity-plugin, whose `probe` does the same in a process that may die of it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "framework/plugin/candidate.hpp"
#include "framework/plugin/refusal.hpp"
#include "framework/plugin/registry.hpp"

namespace velocity::plugin {

struct Brought {
  std::vector<std::unique_ptr<VmType>> vm_types;
  std::vector<std::unique_ptr<ResourceType>> resource_types;
};

// Loads, configures and describes; fills `brought`, or says why not. `services` must outlive what is brought.
std::optional<Refusal> bring_in(const Candidate& candidate, const model::Json& settings, HostServices& services, Brought& brought);

}  // namespace velocity::plugin
