#include "framework/service/autostart.hpp"

#include <spdlog/spdlog.h>

#include <string>

#include "framework/model/error.hpp"

namespace velocity::service {
namespace {

constexpr std::chrono::seconds kFirstBackOff{5};  // doubled each time

bool crashed(const model::Runtime& runtime) { return runtime.state == model::MachineState::STOPPED && (runtime.cause == "crashed" || runtime.cause == "failed"); }

}  // namespace

void Autostart::begin(Clock::time_point now) {
  const auto picture = inventory_.picture();
  picture->machines.visit_all([&](const auto& id, const auto& machine) {
    if (!machine->autostart || machine->phase != model::Phase::ready) return;
    if (picture->runtime(id).state == model::MachineState::STOPPED) watched_[id] = {machine->created, 0, false, now};
  });
}

void Autostart::tick(Clock::time_point now) {
  for (auto next = watched_.begin(); next != watched_.end();) {
    const auto current = next++;
    if (current->second.started && looked_after(current->first, current->second, now)) watched_.erase(current);
  }
  if (now < next_start_) return;
  auto oldest = watched_.end();
  for (auto entry = watched_.begin(); entry != watched_.end(); ++entry)
    if (!entry->second.started && entry->second.since <= now && (oldest == watched_.end() || entry->second.created < oldest->second.created)) oldest = entry;
  if (oldest == watched_.end()) return;
  start(oldest->first, oldest->second, now);
  if (oldest->second.tries >= kMostTries && !oldest->second.started) watched_.erase(oldest);
  next_start_ = now + kPause;
}

// Whether there is nothing more to do for it.
bool Autostart::looked_after(model::MachineId id, Watched& machine, Clock::time_point now) {
  const auto picture = inventory_.picture();
  const auto row = picture->machines.find(id);
  if (!row || !row->autostart || now - machine.since > kSettled) return true;
  const auto runtime = picture->runtime(id);
  if (runtime.state != model::MachineState::STOPPED) return false;
  if (!crashed(runtime)) return true;  // somebody stopped it, or it has done its work
  fail(id, machine, now, "the guest crashed");
  return machine.tries >= kMostTries;
}

void Autostart::start(model::MachineId id, Watched& machine, Clock::time_point now) {
  try {
    power_.start_at_boot(id);
    machine.started = true;
    machine.since = now;
  } catch (const model::Error& error) {
    // A plugin that is gone does not come back while the server runs.
    if (error.code() == model::ErrorCode::type_unavailable) give_up(id, machine, error.message());
    else fail(id, machine, now, error.what());
  } catch (const std::exception& error) {
    fail(id, machine, now, error.what());
  }
}

void Autostart::fail(model::MachineId id, Watched& machine, Clock::time_point now, const std::string& why) {
  machine.started = false;
  machine.since = now + kFirstBackOff * (1 << machine.tries);
  ++machine.tries;
  if (machine.tries < kMostTries) {
    spdlog::warn("autostart of {} failed and is tried again: {}", id.text(), why);
    return;
  }
  give_up(id, machine, why);
}

void Autostart::give_up(model::MachineId id, Watched& machine, const std::string& why) {
  machine.started = false;
  machine.tries = kMostTries;
  spdlog::error("autostart of {} is given up: {}", id.text(), why);
  const auto picture = inventory_.picture();
  const auto before = picture->observations.find(id);
  inventory_.observe_unless_news(id, {picture->runtime(id).state, "autostart was given up: " + why}, before);
}

}  // namespace velocity::service
