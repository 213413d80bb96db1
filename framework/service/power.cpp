#include "framework/service/power.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <optional>

#include "framework/libvirt/host.hpp"
#include "framework/model/names.hpp"
#include "framework/service/access.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::MachineId;
using model::MachineState;
using model::Permission;

using Action = void (libvirt::Host::*)(MachineId);

// A transition that is possible. What is not in the table, is not.
struct Step {
  MachineState from;
  MachineState target;
  bool force;
  Action action;
  MachineState passing;
};

constexpr Step kSteps[] = {
    {MachineState::STOPPED, MachineState::RUNNING, false, &libvirt::Host::start, MachineState::STARTING},
    {MachineState::STOPPED, MachineState::RUNNING, true, &libvirt::Host::start, MachineState::STARTING},
    {MachineState::RUNNING, MachineState::PAUSED, false, &libvirt::Host::suspend, MachineState::PAUSING},
    {MachineState::RUNNING, MachineState::PAUSED, true, &libvirt::Host::suspend, MachineState::PAUSING},
    {MachineState::PAUSED, MachineState::RUNNING, false, &libvirt::Host::resume, MachineState::RESUMING},
    {MachineState::PAUSED, MachineState::RUNNING, true, &libvirt::Host::resume, MachineState::RESUMING},
    {MachineState::RUNNING, MachineState::STOPPED, false, &libvirt::Host::shutdown, MachineState::STOPPING},
    {MachineState::STOPPING, MachineState::STOPPED, false, &libvirt::Host::shutdown, MachineState::STOPPING},
    {MachineState::RUNNING, MachineState::STOPPED, true, &libvirt::Host::destroy, MachineState::STOPPING},
    {MachineState::STOPPING, MachineState::STOPPED, true, &libvirt::Host::destroy, MachineState::STOPPING},
    {MachineState::PAUSED, MachineState::STOPPED, true, &libvirt::Host::destroy, MachineState::STOPPING},
};

const Step* find_step(MachineState from, MachineState target, bool force) {
  for (const auto& step : kSteps)
    if (step.from == from && step.target == target && step.force == force) return &step;
  return nullptr;
}

Error impossible(MachineId id, MachineState target, MachineState current) {
  const bool paused_stop = current == MachineState::PAUSED && target == MachineState::STOPPED;
  return Error(ErrorCode::machine_state_impossible,
               paused_stop ? "A paused guest cannot shut down by itself: resume it first, or use force"
                           : fmt::format("A virtual machine that is {} cannot become {}", name(current), name(target)))
      .with("vmid", id.text())
      .with("req_state", std::string(name(target)))
      .with("cur_state", std::string(name(current)));
}

// The API's 500 of POST /v/state. The hypervisor's own words are for those who may alter the machine.
Error failed(const Error& cause, MachineId id, MachineState current, bool may_alter) {
  return Error(ErrorCode::machine_hypervisor_failed,
               may_alter && !cause.detail().empty() ? "The hypervisor failed: " + cause.detail() : std::string("The hypervisor failed to do this"),
               cause.detail())
      .with("vmid", id.text())
      .with("state", std::string(name(current)));
}

// QEMU's words for a port that it could not take: "Could not set up host forwarding rule 'tcp:127.0.0.1:2222-:22'". The rule, or nothing.
std::string refused_forward(const std::string& detail) {
  constexpr std::string_view kWords = "host forwarding rule '";
  const auto begin = detail.find(kWords);
  if (begin == std::string::npos) return {};
  const auto rule = detail.substr(begin + kWords.size());
  return rule.substr(0, rule.find('\''));
}

// Shows the state that a machine passes through, for as long as it lives.
class Passing {
 public:
  Passing(Inventory& inventory, MachineId id, MachineState state) : inventory_(inventory), id_(id) { inventory_.set_passing(id, state); }
  ~Passing() {
    if (!stays_) inventory_.set_passing(id_, std::nullopt);
  }
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;
  void stay() { stays_ = true; }

 private:
  Inventory& inventory_;
  MachineId id_;
  bool stays_ = false;
};

}  // namespace

// The workers are for all that changes something: what waits for a guest takes few of them, as what waits for its turn does (turns.cpp), or
// for a password (passwords.cpp). Who calls a hypervisor that hangs is sent away (libvirt/call_pool.hpp).
constexpr std::ptrdiff_t kMostWaiting = 3;

Power::Power(Inventory& inventory, libvirt::Host& host, const Blueprint& blueprint, NicGuards& guards, Turns& turns)
    : inventory_(inventory), host_(host), provision_(blueprint), guards_(guards), turns_(turns), waiting_(kMostWaiting) {}

StateAnswer Power::change(const Caller& caller, MachineId id, const StateChange& wanted) {
  const auto picture = inventory_.picture();
  const Access access(*picture, caller);
  const auto machine = access.machine(id, Permission::state);
  const bool may_alter = access.on(*picture->catalogs.find(machine->catalog)).has(Permission::alter);
  auto answer = apply(id, wanted, may_alter);
  if (wanted.wait.count() == 0 || answer.state == wanted.target) return answer;
  if (!waiting_.try_acquire()) return answer;  // too many wait already: what is true now is an answer too
  answer.state = inventory_.wait_for(id, wanted.target, wanted.wait).state;
  waiting_.release();
  return answer;
}

void Power::start_at_boot(MachineId id) { apply(id, {}, true); }

// A guest on the host's network does not run before it is guarded.
void Power::act(const Picture& picture, const model::Machine& machine, Action action) {
  const bool starts = action == &libvirt::Host::start;
  if ((starts || action == &libvirt::Host::resume) && NicGuards::concerns(picture, machine))
    starts ? guards_.start(picture, machine) : guards_.resume(machine);
  else
    (host_.*action)(machine.id);
}

StateAnswer Power::apply(MachineId id, const StateChange& wanted, bool may_alter) {
  const auto turn = turns_.take(id.uuid());
  const auto picture = inventory_.picture();
  const auto machine = picture->machines.find(id);
  if (!machine || machine->phase != model::Phase::ready)
    throw Error(ErrorCode::machine_not_found, fmt::format("No virtual machine {} is visible to you", id.text()));
  if (!picture->connected) throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor cannot be reached now", host_.why_disconnected());
  const auto current = picture->runtime(id).state;
  if (current == wanted.target) return {current, true};
  const auto* step = find_step(current, wanted.target, wanted.force);
  if (!step) throw impossible(id, wanted.target, current);

  // A guest that runs now would lose what it writes as soon as the change is carried out after all.
  if (step->action == &libvirt::Host::start && !machine->altering.is_null())
    throw Error(ErrorCode::machine_busy, "An earlier change of this is still being carried out or taken back. Try again later");
  Passing passing(inventory_, id, step->passing);
  if (step->action == &libvirt::Host::start) provision_.before_start(*picture, *machine);
  try {
    act(*picture, *machine, step->action);
    if (step->action == &libvirt::Host::shutdown) {  // asked for; the guest does it when it likes
      passing.stay();
      return {inventory_.picture()->runtime(id).state, false};
    }
    return {look(id).state, false};
  } catch (const Error& error) {
    switch (error.code()) {
      case ErrorCode::hypervisor_unavailable:
      case ErrorCode::hypervisor_timeout:
      case ErrorCode::resource_gone:
        throw;
      case ErrorCode::hypervisor_wrong_state: {  // it moved by itself meanwhile: what is true now?
        const auto truth = look(id);
        if (truth.state == wanted.target) return {truth.state, false};
        throw impossible(id, wanted.target, truth.state);
      }
      default:
        if (const auto rule = refused_forward(error.detail()); !rule.empty())
          throw Error(ErrorCode::network_port_taken, fmt::format("Another program or machine has a port of the host that this one forwards: {}", rule), error.detail())
              .with("vmid", id.text());
        spdlog::error("changing the virtual machine {} from {} to {} failed: {}", id.text(), name(current), name(wanted.target), error.what());
        throw failed(error, id, current, may_alter);
    }
  }
}

// The event of a change may come a moment after the call that made it has returned: ask.
model::Runtime Power::look(MachineId id) {
  const auto before = inventory_.picture()->observations.find(id);
  inventory_.observe_unless_news(id, host_.state(id), before);
  const auto now = inventory_.picture()->observations.find(id);
  return now ? now->seen : model::Runtime{};
}

}  // namespace velocity::service
