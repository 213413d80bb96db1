// Starts machines whose NICs are bridged to the host's network so that their guests never send from another's address. Included by the power
// service and the recovery.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "framework/libvirt/host.hpp"
#include "framework/network/mac_guard.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/turns.hpp"

namespace velocity::service {

// Guards are needed where we run the hypervisor ourselves; a libvirtd filters by what stands in the domain. Thread-safe; who starts
// or resumes a machine holds its turn. Errors: as the Host's, network_failed when a guard cannot be placed (the guest does not run then),
// resource_gone with the `rid`.
class NicGuards {
 public:
  NicGuards(Inventory& inventory, libvirt::Host& host, const Blueprint& blueprint, const network::MacGuard& guard, Turns& turns);

  static bool concerns(const Picture& picture, const model::Machine& machine);  // whether it has a NIC that was found on the host

  void start(const Picture& picture, const model::Machine& machine);  // instead of Host::start()
  void resume(const model::Machine& machine);                         // instead of Host::resume()

  // Guards that somebody has taken away are put back for all running machines, those of stopped ones are taken away, and a start that an
  // earlier server was killed in is finished.
  void renew();
  void tidy();  // the second half of that alone, which costs nothing when nothing has stopped

 private:
  void finish_start(const Picture& picture, const model::Machine& machine);
  void clear_left_over(const Picture& picture);
  std::filesystem::path starting(model::MachineId id) const;  // a file that is there while the machine is started
  void place(model::MachineId id);
  void make_macvtaps(const Picture& picture, const model::Machine& machine);
  void take_away(const std::vector<std::string>& names);

  Inventory& inventory_;
  libvirt::Host& host_;
  const Blueprint& blueprint_;
  const network::MacGuard& guard_;
  Turns& turns_;
  bool cleared_ = false;  // the recovery's own
  std::mutex mutex_;
  std::map<model::MachineId, std::vector<std::string>> placed_;  // names of devices
};

}  // namespace velocity::service
