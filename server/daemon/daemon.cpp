#include "server/daemon/daemon.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <velocity/abi.h>

#include "framework/model/error.hpp"
#include "server/daemon/config.hpp"
#include "server/daemon/plugin_settings.hpp"

namespace velocity::daemon {
namespace {

constexpr const char* kApiVersion = "1";

libvirt::HostSettings host_settings(const Settings& settings, const store::StateDirectory& state) {
  libvirt::HostSettings host;
  host.uri = settings.hypervisor;
  host.root = state.libvirt();
  host.run_directory = state.run();
  host.deadline = std::chrono::seconds(settings.deadline_seconds);
  if (settings.acceleration == "kvm") host.acceleration = libvirt::Acceleration::kvm;
  if (settings.acceleration == "tcg") host.acceleration = libvirt::Acceleration::tcg;
  return host;
}

plugin::RegistrySettings registry_settings(const Settings& settings, const Installation& installation, const store::StateDirectory& state) {
  auto registry = plugin_settings(settings, installation);
  registry.cache = state.cache();
  if (installation.probe_program.empty())
    spdlog::warn("velocity-plugin is not beside this program: plugins are loaded without being tried first");
  return registry;
}

edge::EdgeSettings edge_settings(const Settings& settings, std::shared_ptr<spdlog::logger> access) {
  using std::chrono::seconds;
  edge::EdgeSettings edge;
  edge.listen = settings.listen;
  edge.certificate = settings.tls_certificate;
  edge.private_key = settings.tls_key;
  edge.trusted_proxy = settings.trusted_proxy;
  edge.hosts = settings.hosts;
  edge.origins = settings.origins;
  edge.access_log = std::move(access);
  edge.limits.body = static_cast<std::size_t>(settings.body_kib) << 10;
  edge.limits.connections = static_cast<std::size_t>(settings.connections);
  edge.limits.queue = static_cast<std::size_t>(settings.queue);
  edge.limits.uploads = static_cast<std::size_t>(settings.uploads);
  edge.limits.upload = settings.upload_gib << 30;
  edge.timeouts.header = seconds(settings.header_seconds);
  edge.timeouts.body = seconds(settings.body_seconds);
  edge.timeouts.idle = seconds(settings.idle_seconds);
  edge.timeouts.handler = seconds(settings.handler_seconds);
  edge.timeouts.alarm = seconds(settings.handler_seconds + 30);
  edge.timeouts.drain = seconds(settings.drain_seconds);
  return edge;
}

// Before the first answer, so that no guest that runs on is called stopped. A hypervisor that is away is not waited for longer than this.
void wait_for_first_look(const service::Inventory& inventory) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (inventory.stale() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

rest::BackendSettings backend_settings(const Settings& settings) {
  constexpr std::size_t kHeaderRoom = 64 * 1024;
  rest::BackendSettings backend;
  backend.workers = static_cast<int>(settings.workers);
  backend.max_request_bytes = (static_cast<std::size_t>(settings.body_kib) << 10) + kHeaderRoom;
  return backend;
}

// A libvirtd of another host: its URI names one.
std::optional<std::vector<std::string>> bridges_elsewhere(const Settings& settings) {
  const bool elsewhere = !settings.hypervisor.empty() && settings.hypervisor.find(":///") == std::string::npos;
  return elsewhere ? std::optional(settings.default_route_interfaces) : std::nullopt;
}

void require_directories(const char* setting, const std::vector<std::string>& directories) {
  for (const auto& directory : directories) {
    std::error_code failed;
    if (!std::filesystem::is_directory(directory, failed))
      throw ConfigError(fmt::format("{}: {} is no directory{}", setting, directory, failed ? " (" + failed.message() + ")" : ""));
  }
}

}  // namespace

void try_settings(const Settings& settings) {
  require_directories("plugins.directories (--plugins)", settings.plugin_directories);
  require_directories("plugins.drop_ins", settings.drop_in_directories);
  edge::try_settings(edge_settings(settings, nullptr));
}

Daemon::Daemon(const Settings& settings, const RootPassword& root)
    : state_(settings.state),
      logs_(state_.log(), settings.log_level),
      installation_(find_installation()),
      database_(state_.database()),
      inventory_(database_),
      observer_(inventory_),
      host_(host_settings(settings, state_), observer_),
      volumes_(state_.pool()),
      pools_(inventory_, volumes_, state_.path(), host_),
      interfaces_({settings.default_route_interfaces, settings.further_kinds}),
      host_interfaces_(host_, interfaces_, bridges_elsewhere(settings)),
      plugin_services_(volumes_, state_.run(), inventory_, host_, [this] { return host_interfaces_.list(); }),
      registry_(registry_settings(settings, installation_, state_), plugin_services_),
      blueprint_(registry_, host_, volumes_, state_.nvram(), state_.console_logs(), state_.run(), state_.machines()),
      removal_(inventory_, registry_, host_, blueprint_, volumes_, turns_, state_.incoming()),
      sessions_(inventory_, passwords_, settings.session_hours * 3600),
      replies_(inventory_),
      accounts_(inventory_, passwords_, removal_),
      quotas_(inventory_),
      catalogs_(inventory_, removal_),
      resources_(inventory_, registry_, host_, blueprint_, volumes_, removal_, turns_),
      resource_shares_(inventory_),
      uploads_(inventory_, registry_, volumes_, state_.incoming()),
      machines_(inventory_, registry_, blueprint_, host_, volumes_, removal_, turns_),
      nic_guards_(inventory_, host_, blueprint_, mac_guard_, turns_),
      power_(inventory_, host_, blueprint_, nic_guards_, turns_),
      contents_(inventory_, volumes_),
      resource_changes_(inventory_, registry_, volumes_, turns_),
      found_(inventory_, registry_, host_),
      alterations_(inventory_, registry_, blueprint_, host_, volumes_, removal_, turns_, machines_),
      snapshots_(inventory_, registry_, host_, blueprint_, volumes_, turns_),
      clones_(inventory_, registry_, blueprint_, host_, resources_, removal_, turns_),
      watch_(inventory_, host_),
      recovery_({inventory_, host_, blueprint_, volumes_, removal_, uploads_, replies_, power_, alterations_, snapshots_, clones_, turns_, observer_, resource_changes_, found_, nic_guards_}),
      interface_watch_(interfaces_, [this] { found_.refresh(); }),
      services_{inventory_, registry_, sessions_, accounts_, quotas_, catalogs_, resources_, resource_shares_, uploads_, machines_, power_, contents_, resource_changes_,
                pools_, alterations_, snapshots_, clones_, watch_},
      guard_(sessions_, replies_, logs_.server(), rest::all_routes(services_, about())),
      backend_(guard_, backend_settings(settings)),
      edge_((wait_for_first_look(inventory_), edge_settings(settings, logs_.access())), backend_, services_) {
  for (const auto& report : registry_.plugins())
    spdlog::log(report.status == "refused" ? spdlog::level::warn : spdlog::level::info, "Plugin {}", plugin::line_of(report));
  for (const auto& name : settings.disabled_plugins)
    if (std::none_of(registry_.plugins().begin(), registry_.plugins().end(), [&](const auto& report) { return report.name == name; }))
      spdlog::warn("plugins.disabled names \"{}\", and there is no such plugin", name);
  // Last, when nothing can keep its password from being shown any more; until then every sign-in is refused.
  if (root.generated && !inventory_.picture()->users.find(model::kRootUser)) keep_password(state_.path(), root.text);
  root_made_ = accounts_.create_root(root.text);
  spdlog::info("velocityd {} answers at {}, state in {}", server_version(), edge_.url(), state_.path().string());
}

Daemon::~Daemon() {
  spdlog::info("velocityd ends; guests run on");
  inventory_.end_waits();
  edge_.stop();
}

rest::About Daemon::about() {
  rest::About about;
  about.version = server_version();
  about.api_version = kApiVersion;
  about.abi_version = fmt::format("{}.{}", VELOCITY_ABI_MAJOR, VELOCITY_ABI_MINOR);
  about.host = [this]() -> model::Json {
    if (!host_.connected()) return nullptr;
    try {
      return service::host_document(host_.facts());
    } catch (const model::Error&) {  // it went away between the two lines
      return nullptr;
    }
  };
  return about;
}

}  // namespace velocity::daemon
