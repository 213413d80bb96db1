// What the server lends to plugins: the log, volumes in its pool, a private directory for each resource that needs one, and what is known of
// the host's interfaces. Made by the daemon before the plugins are loaded.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <utility>
#include <vector>

#include "framework/libvirt/host.hpp"
#include "framework/network/interfaces.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

// Thread-safe.
class PluginServices final : public plugin::HostServices {
 public:
  using Interfaces = std::function<std::vector<network::Interface>()>;  // that guests may be bridged to

  // The host may be made later, and must be there before a plugin asks for anything.
  PluginServices(storage::Volumes& volumes, std::filesystem::path run, const Inventory& inventory, libvirt::Host& host, Interfaces interfaces)
      : lent_{volumes, std::move(run), inventory, host, std::move(interfaces), {}} {}
  void log(std::string_view plugin, int level, std::string_view message) override;
  nlohmann::json call(std::string_view plugin, std::string_view service, const nlohmann::json& request) override;

  struct Lent {
    storage::Volumes& volumes;
    std::filesystem::path run;
    const Inventory& inventory;
    libvirt::Host& host;
    Interfaces interfaces;
    std::atomic<int> copying;  // images at this moment
  };

 private:
  Lent lent_;
};

}  // namespace velocity::service
