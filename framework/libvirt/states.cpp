#include "framework/libvirt/states.hpp"

#include <libvirt/libvirt.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace velocity::libvirt {

using model::MachineState;
using model::Runtime;

namespace {

using Words = std::span<const std::pair<int, std::string_view>>;

constexpr std::pair<int, std::string_view> kShutoffReasons[] = {
    {VIR_DOMAIN_SHUTOFF_SHUTDOWN, "shutdown"},      {VIR_DOMAIN_SHUTOFF_DESTROYED, "destroyed"}, {VIR_DOMAIN_SHUTOFF_CRASHED, "crashed"},
    {VIR_DOMAIN_SHUTOFF_MIGRATED, "migrated"},      {VIR_DOMAIN_SHUTOFF_SAVED, "saved"},         {VIR_DOMAIN_SHUTOFF_FAILED, "failed"},
    {VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT, "snapshot"}, {VIR_DOMAIN_SHUTOFF_DAEMON, "failed"},
};

// An emulator that dies is "failed" in the event and "crashed" in the state asked for later: one word for both.
constexpr std::pair<int, std::string_view> kStoppedDetails[] = {
    {VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, "shutdown"},
    {VIR_DOMAIN_EVENT_STOPPED_DESTROYED, "destroyed"},
    {VIR_DOMAIN_EVENT_STOPPED_CRASHED, "crashed"},
    {VIR_DOMAIN_EVENT_STOPPED_MIGRATED, "migrated"},
    {VIR_DOMAIN_EVENT_STOPPED_SAVED, "saved"},
    {VIR_DOMAIN_EVENT_STOPPED_FAILED, "crashed"},
    {VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT, "snapshot"},
};

// A pause that somebody asked for needs no word.
constexpr std::pair<int, std::string_view> kPausedReasons[] = {
    {VIR_DOMAIN_PAUSED_MIGRATION, "migration"}, {VIR_DOMAIN_PAUSED_SAVE, "save"},
    {VIR_DOMAIN_PAUSED_DUMP, "dump"},           {VIR_DOMAIN_PAUSED_IOERROR, "i/o error"},
    {VIR_DOMAIN_PAUSED_WATCHDOG, "watchdog"},   {VIR_DOMAIN_PAUSED_FROM_SNAPSHOT, "snapshot"},
    {VIR_DOMAIN_PAUSED_SNAPSHOT, "snapshot"},   {VIR_DOMAIN_PAUSED_CRASHED, "crashed"},
    {VIR_DOMAIN_PAUSED_POSTCOPY, "migration"},  {VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, "migration"},
};

constexpr std::pair<int, std::string_view> kSuspendedDetails[] = {
    {VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, "migration"},     {VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, "i/o error"},
    {VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG, "watchdog"},      {VIR_DOMAIN_EVENT_SUSPENDED_RESTORED, "restored"},
    {VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT, "snapshot"}, {VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR, "failed"},
    {VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY, "migration"},     {VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED, "migration"},
};

std::string word(Words words, int key) {
  for (const auto& [known, text] : words)
    if (known == key) return std::string(text);
  return {};
}

Runtime paused(int reason) {
  if (reason == VIR_DOMAIN_PAUSED_SHUTTING_DOWN) return {MachineState::STOPPING, "shutdown"};
  if (reason == VIR_DOMAIN_PAUSED_STARTING_UP) return {MachineState::STARTING, {}};
  return {MachineState::PAUSED, word(kPausedReasons, reason)};
}

}  // namespace

Runtime runtime_of(int state, int reason) {
  switch (state) {
    case VIR_DOMAIN_SHUTOFF: return {MachineState::STOPPED, word(kShutoffReasons, reason)};
    case VIR_DOMAIN_CRASHED: return {MachineState::STOPPED, "crashed"};
    case VIR_DOMAIN_SHUTDOWN: return {MachineState::STOPPING, "shutdown"};
    case VIR_DOMAIN_PAUSED: return paused(reason);
    case VIR_DOMAIN_PMSUSPENDED: return {MachineState::PAUSED, "suspended by the guest"};
    default: return {MachineState::RUNNING, {}};  // running, blocked, and "no state", which is an active one too
  }
}

std::optional<Runtime> runtime_after(int event, int detail) {
  switch (event) {
    case VIR_DOMAIN_EVENT_STARTED:
    case VIR_DOMAIN_EVENT_RESUMED: return Runtime{MachineState::RUNNING, {}};
    case VIR_DOMAIN_EVENT_SUSPENDED: return Runtime{MachineState::PAUSED, word(kSuspendedDetails, detail)};
    case VIR_DOMAIN_EVENT_PMSUSPENDED: return Runtime{MachineState::PAUSED, "suspended by the guest"};
    case VIR_DOMAIN_EVENT_SHUTDOWN: return Runtime{MachineState::STOPPING, "shutdown"};
    case VIR_DOMAIN_EVENT_STOPPED: return Runtime{MachineState::STOPPED, word(kStoppedDetails, detail)};
    default: return std::nullopt;  // defined, undefined, crashed and whatever comes with later versions
  }
}

}  // namespace velocity::libvirt
