// Changing a machine's state: which transition is possible, doing it, waiting for its end. Included by the routes of /v/state.
#pragma once

#include <chrono>
#include <semaphore>

#include "framework/model/machine.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/nic_guards.hpp"
#include "framework/service/provision.hpp"
#include "framework/service/turns.hpp"

namespace velocity::libvirt {
class Host;
}

namespace velocity::service {

struct StateChange {
  model::MachineState target = model::MachineState::RUNNING;  // STOPPED, RUNNING or PAUSED
  bool force = false;
  std::chrono::seconds wait{0};  // answer once the target is reached, at most so long
};

struct StateAnswer {
  model::MachineState state;
  bool already = false;  // it was in the target state before: 208
};

// Thread-safe; one change at a time for each machine. Starting, pausing, resuming and forced stopping are done before change() returns.
// Errors: machine_not_found, machine_denied, machine_state_impossible with req_state and cur_state, machine_hypervisor_failed with `state`;
// type_unavailable for a start without the machine's plugin.
class Power {
 public:
  Power(Inventory& inventory, libvirt::Host& host, const Blueprint& blueprint, NicGuards& guards, Turns& turns);

  StateAnswer change(const Caller& caller, model::MachineId id, const StateChange& change);
  void start_at_boot(model::MachineId id);  // autostart: no caller

 private:
  model::Runtime look(model::MachineId id);
  void act(const Picture& picture, const model::Machine& machine, void (libvirt::Host::*action)(model::MachineId));
  StateAnswer apply(model::MachineId id, const StateChange& change, bool may_alter);
  Inventory& inventory_;
  libvirt::Host& host_;
  Provision provision_;
  NicGuards& guards_;
  Turns& turns_;
  std::counting_semaphore<64> waiting_;
};

}  // namespace velocity::service
