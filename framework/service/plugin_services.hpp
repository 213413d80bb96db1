// What the server lends to plugins: the log, volumes in its pool, and a private directory for each resource that needs one. Made by the
// daemon before the plugins are loaded.
#pragma once

#include <filesystem>
#include <utility>

#include "framework/plugin/registry.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

// Thread-safe.
class PluginServices final : public plugin::HostServices {
 public:
  PluginServices(storage::Volumes& volumes, std::filesystem::path run) : lent_{volumes, std::move(run)} {}
  void log(std::string_view plugin, int level, std::string_view message) override;
  nlohmann::json call(std::string_view plugin, std::string_view service, const nlohmann::json& request) override;

  struct Lent {
    storage::Volumes& volumes;
    std::filesystem::path run;
  };

 private:
  Lent lent_;
};

}  // namespace velocity::service
