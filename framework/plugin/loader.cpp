#include "framework/plugin/loader.hpp"

#include <array>
#include <set>

#include <fmt/format.h>

#include "framework/plugin/loaded_types.hpp"

namespace velocity::plugin {
namespace {

using model::Error;

// The API's own words behind /v/ and /r/: a type of that name would hide them.
constexpr std::array<std::string_view, 12> kReserved{"types", "state",    "console", "log",    "screenshot", "snapshot",
                                                     "clone", "stats",    "share",   "upload", "content",    "pools"};

std::optional<Refusal> configure(const Module& module, const model::Json& settings) {
  try {
    module.call("configure", module.table().configure, module.table().self, settings);
    return std::nullopt;
  } catch (const Error& error) {
    return Refusal{"plugin.settings_invalid", fmt::format("it does not take its settings: {}", error.what()), "correct them in the configuration file"};
  }
}

// Describes each type of one kind; `tables` has `count` entries.
template <class Loaded, class Table, class Type>
std::optional<Refusal> take_types(const std::shared_ptr<const Module>& module, const Candidate& candidate, const Table* const* tables, std::size_t count,
                                  velocity_operation Table::*needed, std::string_view kind, std::set<std::string>& brings,
                                  std::vector<std::unique_ptr<Type>>& types) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto table = tables[i] ? known_part(*tables[i]) : Table{};
    if (!table.describe || !(table.*needed))
      return Refusal{"plugin.table_invalid", "a type lacks a function that it must have", "report it to the plugin's author"};
    try {
      auto described = describe(*module, table, candidate.manifest.version);
      const auto type = described.info.type;
      if (std::find(kReserved.begin(), kReserved.end(), type) != kReserved.end())
        return Refusal{"plugin.type_reserved", fmt::format("its type is called {}, a word that the API uses itself", type), "give the type another name"};
      if (!brings.insert(fmt::format("{}/{}", kind, type)).second)
        return Refusal{"plugin.duplicate_type", fmt::format("it brings the type {} twice", type), "report it to the plugin's author"};
      types.push_back(std::make_unique<Loaded>(module, table, std::move(described)));
    } catch (const Error& error) {
      return Refusal{"plugin.description_invalid", fmt::format("what it says of a type is not valid: {}", error.what()), "report it to the plugin's author"};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> bring_in(const Candidate& candidate, const model::Json& settings, HostServices& services, Brought& brought) {
  std::shared_ptr<const Module> module;
  if (auto refusal = Module::load(candidate.file, candidate.manifest.name, services, module)) return refusal;
  if (auto refusal = configure(*module, settings)) return refusal;
  const auto& table = module->table();
  std::set<std::string> brings;
  if (auto refusal = take_types<LoadedVmType>(module, candidate, table.vm_types, table.vm_type_count, &velocity_vm_type::plan, "vm", brings, brought.vm_types))
    return refusal;
  if (auto refusal = take_types<LoadedResourceType>(module, candidate, table.resource_types, table.resource_type_count, &velocity_resource_type::attach,
                                                    "resource", brings, brought.resource_types))
    return refusal;
  const auto& promised = candidate.manifest.provides;
  if (brings != std::set<std::string>(promised.begin(), promised.end()))
    return Refusal{"plugin.manifest_mismatch", fmt::format("it brings {}, its manifest says {}", fmt::join(brings, " "), fmt::join(promised, " ")),
                   "correct PROVIDES in velocity_add_plugin()"};
  return std::nullopt;
}

}  // namespace velocity::plugin
