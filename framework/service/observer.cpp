#include "framework/service/observer.hpp"

#include <spdlog/spdlog.h>

namespace velocity::service {

Observer::Observer(Inventory& inventory) : inventory_(inventory) {}

void Observer::connected(const std::vector<libvirt::DomainState>& domains) {
  std::vector<std::pair<model::MachineId, model::Runtime>> seen;
  seen.reserve(domains.size());
  for (const auto& domain : domains) seen.emplace_back(domain.id, domain.runtime);
  inventory_.observe_all(seen);
  spdlog::info("the hypervisor is connected and has {} domains", domains.size());
  {
    const std::lock_guard lock(mutex_);
    connected_ = true;
  }
  news_.notify_all();
}

void Observer::disconnected(const std::string& why) {
  inventory_.lose_sight();
  spdlog::warn("the hypervisor is away: {}", why);
}

void Observer::changed(const libvirt::DomainState& domain) { inventory_.observe(domain.id, domain.runtime); }

void Observer::removed(model::MachineId id) { inventory_.forget(id); }

void Observer::host_devices_changed() {
  {
    const std::lock_guard lock(mutex_);
    device_news_ = true;
  }
  wake();
}

bool Observer::take_device_news() {
  const std::lock_guard lock(mutex_);
  return std::exchange(device_news_, false);
}

bool Observer::wait_for_connect(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, time, [this] { return connected_ || woken_; });
  woken_ = false;
  return std::exchange(connected_, false);
}

void Observer::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  news_.notify_all();
}

}  // namespace velocity::service
