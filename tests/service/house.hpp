// Everything that the services stand on, real: SQLite in a directory of its own, the bundled plugins, and a libvirt host (test:///default
// unless another is asked for). Included by the tests of the services.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "framework/service/accounts.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/catalogs.hpp"
#include "framework/service/contents.hpp"
#include "framework/service/found_resources.hpp"
#include "framework/service/machines.hpp"
#include "framework/service/nic_guards.hpp"
#include "framework/service/observer.hpp"
#include "framework/service/plugin_services.hpp"
#include "framework/service/pools.hpp"
#include "framework/service/power.hpp"
#include "framework/service/recovery.hpp"
#include "framework/service/removal.hpp"
#include "framework/service/resources.hpp"
#include "framework/service/sessions.hpp"
#include "framework/service/services.hpp"
#include "framework/store/state_directory.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::test {

// Argon2id at its least: the tests sign in often.
inline constexpr service::PasswordCost kCheap{1, 8192};

inline plugin::RegistrySettings bundled_plugins() {
  plugin::RegistrySettings settings;
  settings.directories = {VELOCITY_TEST_PLUGINS};
  return settings;
}

struct House {
  explicit House(const std::filesystem::path& directory, const std::string& uri = "test:///default")
      : state(directory), host({"local", uri, state.libvirt(), state.run(), libvirt::Acceleration::tcg, std::chrono::milliseconds(30'000)}, observer) {}

  service::Caller caller(const std::string& name) const {
    const auto picture = inventory.picture();
    return service::Caller(picture->users.find(*picture->user_names.find(name)));
  }

  store::StateDirectory state;
  store::Database database{state.database()};
  service::Inventory inventory{database};
  service::Passwords passwords{kCheap};
  storage::Volumes volumes{state.pool()};
  service::Pools pools{inventory, volumes, state.path(), host};
  using Interfaces = std::vector<network::Interface>;
  std::atomic<std::shared_ptr<const Interfaces>> interfaces{std::make_shared<const Interfaces>()};  // that the host is made to have
  network::MacGuard mac_guard;
  service::PluginServices lent{volumes, state.run(), inventory, host, [this] { return *interfaces.load(); }};
  plugin::Registry registry{bundled_plugins(), lent};
  service::Observer observer{inventory};
  libvirt::Host host;
  service::Turns turns;
  service::Blueprint blueprint{registry, host, volumes, state.nvram(), state.console_logs(), state.run(), state.machines()};
  service::Removal removal{inventory, registry, host, blueprint, volumes, turns, state.incoming()};
  service::Sessions sessions{inventory, passwords, 3600};
  service::Replies replies{inventory};
  service::Accounts accounts{inventory, passwords, removal};
  service::Quotas quotas{inventory};
  service::Catalogs catalogs{inventory, removal};
  service::Resources resources{inventory, registry, host, blueprint, volumes, removal, turns};
  service::ResourceShares resource_shares{inventory};
  service::Uploads uploads{inventory, registry, volumes, state.incoming()};
  service::Machines machines{inventory, registry, blueprint, host, volumes, removal, turns};
  service::NicGuards nic_guards{inventory, host, blueprint, mac_guard, turns};
  service::Power power{inventory, host, blueprint, nic_guards, turns};
  service::Contents contents{inventory, volumes};
  service::ResourceChanges resource_changes{inventory, registry, volumes, turns};
  service::FoundResources found{inventory, registry, host};
  service::Alterations alterations{inventory, registry, blueprint, host, volumes, removal, turns, machines};
  service::Snapshots snapshots{inventory, registry, host, blueprint, volumes, turns};
  service::Clones clones{inventory, registry, blueprint, host, resources, removal, turns};
  service::Watch watch{inventory, host};
  service::Services services{inventory, registry,  sessions,        accounts, quotas,   catalogs,
                             resources, resource_shares, uploads, machines, power, contents, resource_changes, pools,
                             alterations, snapshots, clones, watch};
  service::Recovery recovery{{inventory, host, blueprint, volumes, removal, uploads, replies, power, alterations, snapshots, clones, turns, observer, resource_changes, found, nic_guards}};
};

}  // namespace velocity::test
