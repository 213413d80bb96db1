// Brings the world back to what the database says: at start, after every connect, and every five minutes. Also does what must be done
// from time to time. Made last by the daemon.
#pragma once

#include <atomic>
#include <set>
#include <thread>

#include "framework/service/alterations.hpp"
#include "framework/service/autostart.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/clones.hpp"
#include "framework/service/found_resources.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/nic_guards.hpp"
#include "framework/service/observer.hpp"
#include "framework/service/power.hpp"
#include "framework/service/removal.hpp"
#include "framework/service/replies.hpp"
#include "framework/service/resource_changes.hpp"
#include "framework/service/snapshots.hpp"
#include "framework/service/turns.hpp"
#include "framework/service/uploads.hpp"

namespace velocity::service {

struct World {
  Inventory& inventory;
  libvirt::Host& host;
  const Blueprint& blueprint;
  storage::Volumes& volumes;
  Removal& removal;
  Uploads& uploads;
  Replies& replies;
  Power& power;
  Alterations& alterations;
  Snapshots& snapshots;
  Clones& clones;
  Turns& turns;
  Observer& observer;
  ResourceChanges& resource_changes;
  FoundResources& found;
  NicGuards& guards;
};

// Sweeps what is half-done on disk, then works in a thread of its own until it is destroyed. Make it before anybody is served.
class Recovery {
 public:
  explicit Recovery(World world);
  ~Recovery();

  int rounds() const { return rounds_; }  // how often the world was compared and mended

 private:
  void run();
  void recover_files();        // what needs no hypervisor
  void reconcile();            // what needs one
  void settle_clones();
  void settle_machines();  // what was being changed about them
  void define_missing(const std::vector<libvirt::DomainState>& domains);
  void report_foreign(const std::vector<libvirt::DomainState>& domains);
  void tell_of_emulation();
  void bound_logs();
  void end_unheard_stops();

  World world_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> rounds_{0};
  bool autostarted_ = false;
  Autostart autostart_;
  std::set<model::MachineId> wrote_;  // whose guests ran at the last look at the logs
  std::string told_;  // of how guests are run
  std::thread thread_;
  std::thread uploads_thread_;
};

}  // namespace velocity::service
