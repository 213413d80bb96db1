// The composition root: makes every part of the server and hands each the parts that it needs. Included by main.
#pragma once

#include <string>

#include "framework/libvirt/host.hpp"
#include "framework/network/interfaces.hpp"
#include "framework/network/mac_guard.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/accounts.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/found_resources.hpp"
#include "framework/service/host_interfaces.hpp"
#include "framework/service/nic_guards.hpp"
#include "framework/service/observer.hpp"
#include "framework/service/plugin_services.hpp"
#include "framework/service/recovery.hpp"
#include "framework/service/removal.hpp"
#include "framework/service/services.hpp"
#include "framework/service/turns.hpp"
#include "framework/storage/volumes.hpp"
#include "framework/store/database.hpp"
#include "framework/store/state_directory.hpp"
#include "server/daemon/first_start.hpp"
#include "server/daemon/installation.hpp"
#include "server/daemon/logs.hpp"
#include "server/daemon/settings.hpp"
#include "server/edge/server.hpp"
#include "server/rest/backend.hpp"
#include "server/rest/guard.hpp"
#include "server/rest/tables.hpp"

namespace velocity::daemon {

// What can be known to be wrong before anything is begun: throws std::runtime_error with a text for the administrator.
void try_settings(const Settings& settings);

// Answers requests from construction on. Throws model::Error or std::runtime_error, with a text for the administrator, when it cannot.
class Daemon {
 public:
  // The password is root's, should this be the first start; one of ours is kept before root is made.
  Daemon(const Settings& settings, const RootPassword& root);
  ~Daemon();  // drains the requests in flight; guests run on
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  std::string url() const { return edge_.url(); }
  const std::filesystem::path& state() const { return state_.path(); }
  const plugin::Registry& plugins() const { return registry_; }
  bool first_start() const { return root_made_; }

 private:
  rest::About about();

  // The order is the order of life: each may use those above it, and is gone before they are.
  store::StateDirectory state_;
  Logs logs_;
  Installation installation_;
  store::Database database_;
  service::Inventory inventory_;
  service::Observer observer_;
  libvirt::Host host_;  // connects in the background
  storage::Volumes volumes_;
  service::Pools pools_;
  network::Interfaces interfaces_;
  network::MacGuard mac_guard_;
  service::HostInterfaces host_interfaces_;
  service::PluginServices plugin_services_;
  plugin::Registry registry_;
  service::Turns turns_;
  service::Blueprint blueprint_;
  service::Removal removal_;
  service::Passwords passwords_;
  service::Sessions sessions_;
  service::Replies replies_;
  service::Accounts accounts_;
  service::Quotas quotas_;
  service::Catalogs catalogs_;
  service::Resources resources_;
  service::ResourceShares resource_shares_;
  service::Uploads uploads_;
  service::Machines machines_;
  service::NicGuards nic_guards_;
  service::Power power_;
  service::Contents contents_;
  service::ResourceChanges resource_changes_;
  service::FoundResources found_;
  service::Alterations alterations_;
  service::Snapshots snapshots_;
  service::Clones clones_;
  service::Watch watch_;
  service::Recovery recovery_;
  network::InterfaceWatch interface_watch_;
  service::Services services_;
  rest::Guard guard_;
  rest::PistacheBackend backend_;
  edge::EdgeServer edge_;
  bool root_made_ = false;
};

}  // namespace velocity::daemon
