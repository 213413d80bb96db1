// A plugin's shared object in this process, and the one way to call into it. Included by loader.cpp and the types.
#pragma once

#include <velocity/abi.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "framework/model/error.hpp"
#include "framework/model/json.hpp"
#include "framework/plugin/refusal.hpp"
#include "framework/plugin/registry.hpp"

namespace velocity::plugin {

// Stays in memory when destroyed, since it is linked with -z nodelete. `services` must outlive it. Safe from any thread once loaded.
class Module {
 public:
  // Runs the plugin's own code for the first time: a file that a child process has not survived must not come here.
  static std::optional<Refusal> load(const std::filesystem::path& file, std::string name, HostServices& services, std::shared_ptr<const Module>& loaded);

  const velocity_plugin& table() const { return table_; }
  const std::string& name() const { return name_; }

  // Calls an operation and returns its reply, an object. `what` names it in errors. Throws
  //   request_invalid  with the plugin's problems,
  //   what a host service threw during this call, if the plugin passes the failure on,
  //   plugin_failed    for all else: a failure, an exception that got out, a reply that is no object, is malformed or longer than 1 MiB.
  // An operation that is null or answers VELOCITY_UNSUPPORTED is not offered: the answer is `otherwise`.
  model::Json call(std::string_view what, velocity_operation operation, void* self, const model::Json& request,
                   const model::Json& otherwise = model::Json::object()) const;

 private:
  Module(std::string name, HostServices& services) : name_(std::move(name)), services_(services) {}
  std::optional<Refusal> enter(velocity_plugin_entry entry);

  boost::dll::shared_library library_;
  std::string name_;
  HostServices& services_;
  velocity_plugin table_{};
};

// As much of a table as both sides know; what the other side does not know is null.
template <class Table>
Table known_part(const Table& offered) {
  Table known{};
  std::memcpy(&known, &offered, static_cast<std::size_t>(std::min<std::uint64_t>(offered.struct_size, sizeof known)));
  known.struct_size = sizeof known;
  return known;
}

}  // namespace velocity::plugin
