// What the server lends to plugins: the log, and volumes in its pool. Made by the daemon before the plugins are loaded.
#pragma once

#include "framework/plugin/registry.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

// Thread-safe.
class PluginServices final : public plugin::HostServices {
 public:
  explicit PluginServices(storage::Volumes& volumes) : volumes_(volumes) {}
  void log(std::string_view plugin, int level, std::string_view message) override;
  nlohmann::json call(std::string_view plugin, std::string_view service, const nlohmann::json& request) override;

 private:
  storage::Volumes& volumes_;
};

}  // namespace velocity::service
