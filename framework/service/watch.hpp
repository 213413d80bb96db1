// Looking at machines that run: what they use and what they show. Included by the routes of /v/stats and /v/screenshot.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "framework/libvirt/counters.hpp"
#include "framework/libvirt/host.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

struct DiskUse {
  std::optional<model::ResourceId> resource;
  libvirt::DiskCounters counters;
};

struct NicUse {
  std::optional<model::ResourceId> resource;
  std::string mac;
  libvirt::NicCounters counters;
};

struct MachineUse {
  model::Runtime runtime;
  std::int64_t taken = 0;  // Unix seconds: when it was looked
  std::optional<libvirt::DomainCounters> counters;  // nothing while it does not run
  std::vector<DiskUse> disks;
  std::vector<NicUse> nics;
};

// Thread-safe. The hypervisor is asked for all machines at once, and at most once a second, however many ask.
// Errors: machine_not_found, machine_denied (view), machine_not_running, display_not_found, hypervisor_unavailable, server_busy.
class Watch {
 public:
  Watch(Inventory& inventory, libvirt::Host& host);

  MachineUse use(const Caller& caller, model::MachineId id);
  std::string screenshot(const Caller& caller, model::MachineId id, std::size_t display);  // PNG

 private:
  struct Look {
    std::chrono::steady_clock::time_point when;
    std::int64_t taken = 0;
    std::map<model::MachineId, libvirt::DomainCounters> counters;
  };
  std::shared_ptr<const Look> look();

  Inventory& inventory_;
  libvirt::Host& host_;
  std::mutex mutex_;
  std::condition_variable looked_;
  bool looking_ = false;
  int waiting_ = 0;
  std::shared_ptr<const Look> last_;
  std::counting_semaphore<2> screenshots_{2};
};

}  // namespace velocity::service
