// Brings what the hypervisor says into the inventory, and wakes the recovery after each (re)connect. Made by the daemon before the Host.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "framework/libvirt/host.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

// Thread-safe.
class Observer final : public libvirt::Listener {
 public:
  explicit Observer(Inventory& inventory);

  void connected(const std::vector<libvirt::DomainState>& domains) override;
  void disconnected(const std::string& why) override;
  void changed(const libvirt::DomainState& domain) override;
  void removed(model::MachineId id) override;
  void host_devices_changed() override;

  // True once for each (re)connect; false when `time` is over or wake() was called.
  bool wait_for_connect(std::chrono::milliseconds time);
  void wake();
  bool take_device_news();  // whether the host's devices have changed since the last time

 private:
  Inventory& inventory_;
  std::mutex mutex_;
  std::condition_variable news_;
  bool connected_ = false;
  bool woken_ = false;
  bool device_news_ = false;
};

}  // namespace velocity::service
