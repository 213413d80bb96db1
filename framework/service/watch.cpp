#include "framework/service/watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <exception>

#include "framework/service/access.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::MachineId;
using model::MachineState;
using model::Permission;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kFresh{1};
constexpr int kMostWaiting = 2;  // the others are told what was seen last, or that they come too early

// A volume's file bears its resource's id.
std::optional<model::ResourceId> resource_of(const std::filesystem::path& file) { return model::ResourceId::parse(file.filename().string()); }

std::vector<NicUse> nics_of(const model::Machine& machine, const std::vector<libvirt::NicCounters>& counters, const std::vector<libvirt::Device>& devices) {
  std::vector<NicUse> nics;
  for (const auto& counted : counters) {
    NicUse nic{{}, {}, counted};
    const auto device = std::find_if(devices.begin(), devices.end(), [&](const auto& other) { return !other.mac.empty() && other.target == counted.target; });
    if (device != devices.end()) nic.mac = device->mac;
    for (const auto& attachment : machine.nics)
      if (!nic.mac.empty() && attachment.options.value("mac_address", "") == nic.mac) nic.resource = attachment.resource;
    nics.push_back(std::move(nic));
  }
  return nics;
}

// A machine that has stopped, or has been removed, since it was counted.
bool has_gone(ErrorCode code) { return code == ErrorCode::hypervisor_not_found || code == ErrorCode::hypervisor_wrong_state; }

}  // namespace

Watch::Watch(Inventory& inventory, libvirt::Host& host) : inventory_(inventory), host_(host) {}

std::shared_ptr<const Watch::Look> Watch::look() {
  std::unique_lock lock(mutex_);
  const auto fresh = [this] { return last_ && steady_clock::now() - last_->when < kFresh; };
  if (fresh()) return last_;
  if (looking_) {
    if (waiting_ == kMostWaiting) {
      if (last_) return last_;
      throw Error(ErrorCode::server_busy, "The hypervisor is being asked already. Try again in a moment");
    }
    ++waiting_;
    looked_.wait(lock, [this] { return !looking_; });
    --waiting_;
    if (last_) return last_;
    throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor cannot be reached now", host_.why_disconnected());
  }
  looking_ = true;
  lock.unlock();
  std::shared_ptr<Look> next;
  std::exception_ptr failure;
  try {
    next = std::make_shared<Look>();
    for (auto& counters : host_.counters()) next->counters.emplace(counters.id, std::move(counters));
    next->when = steady_clock::now();
    next->taken = static_cast<std::int64_t>(std::time(nullptr));
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  looking_ = false;
  last_ = failure ? nullptr : next;
  looked_.notify_all();
  if (failure) std::rethrow_exception(failure);
  return last_;
}

MachineUse Watch::use(const Caller& caller, MachineId id) {
  const auto picture = inventory_.picture();
  const auto machine = Access(*picture, caller).machine(id, Permission::view);
  MachineUse use;
  use.runtime = picture->runtime(id);
  use.taken = static_cast<std::int64_t>(std::time(nullptr));
  if (use.runtime.state == MachineState::STOPPED) return use;
  const auto seen = look();
  use.taken = seen->taken;
  const auto found = seen->counters.find(id);
  if (found == seen->counters.end()) return use;
  use.counters = found->second;
  for (const auto& disk : found->second.disks) use.disks.push_back({resource_of(disk.source), disk});
  if (found->second.nics.empty()) return use;
  std::vector<libvirt::Device> devices;
  try {
    devices = host_.devices(id);
  } catch (const Error& error) {
    if (!has_gone(error.code())) throw;
  }
  use.nics = nics_of(*machine, found->second.nics, devices);
  return use;
}

std::string Watch::screenshot(const Caller& caller, MachineId id, std::size_t display) {
  const auto picture = inventory_.picture();
  const auto machine = Access(*picture, caller).machine(id, Permission::view);
  const auto state = picture->runtime(id).state;
  if (machine->displays.empty()) throw Error(ErrorCode::display_not_found, "The virtual machine has no displays: PATCH /v with `displays` gives it some");
  if (display >= machine->displays.size())
    throw Error(ErrorCode::display_not_found, fmt::format("The virtual machine has {} displays, numbered from 0", machine->displays.size()));
  if (state == MachineState::STOPPED || state == MachineState::STARTING)
    throw Error(ErrorCode::machine_not_running, "The virtual machine is not running: it shows nothing").with("vmid", id.text());
  if (!screenshots_.try_acquire()) throw Error(ErrorCode::server_busy, "Other screens are being read. Try again in a moment");
  const std::unique_ptr<std::counting_semaphore<2>, void (*)(std::counting_semaphore<2>*)> working(&screenshots_, [](auto* taken) { taken->release(); });
  try {
    return host_.screenshot(id, static_cast<unsigned>(display));
  } catch (const Error& error) {
    // A display that was added after the start, or a guest that has gone meanwhile: libvirt's words for both may be the same.
    const bool refused = error.code() == ErrorCode::hypervisor_refused, wrong_state = error.code() == ErrorCode::hypervisor_wrong_state;
    if (refused || (wrong_state && host_.state(id).state != MachineState::STOPPED))
      throw Error(ErrorCode::display_not_found, "The running machine does not have this display yet", error.detail());
    if (wrong_state)
      throw Error(ErrorCode::machine_not_running, "The virtual machine is not running: it shows nothing", error.detail()).with("vmid", id.text());
    throw;
  }
}

}  // namespace velocity::service
