#include "framework/service/nic_guards.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "framework/libvirt/guest_devices.hpp"
#include "framework/service/found_resources.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

void require_interfaces(const Picture& picture, const model::Machine& machine) {
  for (const auto& nic : machine.nics) {
    const auto resource = picture.resources.find(nic.resource);
    if (resource && is_absent(*resource))
      throw Error(ErrorCode::resource_gone, fmt::format("The host interface of the NIC \"{}\" is not there now", resource->label))
          .with("vmid", machine.id.text())
          .with("rid", resource->id.text());
  }
}

}  // namespace

NicGuards::NicGuards(libvirt::Host& host, const Blueprint& blueprint, const network::MacGuard& guard)
    : host_(host), blueprint_(blueprint), guard_(guard) {}

bool NicGuards::concerns(const Picture& picture, const model::Machine& machine) {
  return std::any_of(machine.nics.begin(), machine.nics.end(), [&](const auto& nic) {
    const auto resource = picture.resources.find(nic.resource);
    return resource && !resource->found.empty();
  });
}

void NicGuards::start(const Picture& picture, const model::Machine& machine) {
  require_interfaces(picture, machine);
  host_.define(blueprint_.domain_xml(picture, machine));  // an interface may have another name since
  if (!host_.facts().embedded) {
    host_.start(machine.id);
    return;
  }
  host_.start_paused(machine.id);
  try {
    resume(machine);
  } catch (...) {
    try {
      host_.destroy(machine.id);
    } catch (const Error& error) {  // it stays paused: it cannot send
      spdlog::error("the virtual machine {} could not be guarded, and not be stopped either: {}", machine.id.text(), error.what());
    }
    throw;
  }
}

// A guest that was started paused by a server that died before it placed the guards is paused still.
void NicGuards::resume(const model::Machine& machine) {
  if (host_.facts().embedded) place(machine.id);
  host_.resume(machine.id);
}

void NicGuards::place(model::MachineId id) {
  std::vector<std::string> names;
  for (const auto& device : libvirt::guest_devices(host_.domain_xml(id))) {
    guard_.guard(device.name, device.macvtap ? network::Joint::macvtap : network::Joint::bridge, device.mac);
    names.push_back(device.name);
  }
  const std::lock_guard lock(mutex_);
  placed_[id] = std::move(names);
}

void NicGuards::renew(const Picture& picture) {
  if (!host_.connected() || !host_.facts().embedded) return;
  picture.machines.visit_all([&](const auto& id, const auto& machine) {
    if (picture.runtime(id).state == model::MachineState::STOPPED || !concerns(picture, *machine)) return;
    try {
      place(id);
    } catch (const Error& error) {  // it may have stopped meanwhile
      spdlog::warn("the NICs of the virtual machine {} could not be guarded again: {} {}", id.text(), error.what(), error.detail());
    }
  });
  std::vector<std::string> over;
  {
    const std::lock_guard lock(mutex_);
    for (auto placed = placed_.begin(); placed != placed_.end();) {
      if (picture.runtime(placed->first).state != model::MachineState::STOPPED) {
        ++placed;
        continue;
      }
      over.insert(over.end(), placed->second.begin(), placed->second.end());
      placed = placed_.erase(placed);
    }
  }
  for (const auto& name : over) try {
      guard_.release(name);
    } catch (const Error& error) {
      spdlog::warn("the guard of {} could not be taken away: {}", name, error.detail());
    }
}

}  // namespace velocity::service
