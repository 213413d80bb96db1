#include "framework/service/nic_guards.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "framework/libvirt/guest_devices.hpp"
#include "framework/network/macvtap.hpp"
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

// The devices of its NICs on the host's network, in their order.
std::vector<std::string> names_of(const Picture& picture, const model::Machine& machine) {
  std::vector<std::string> names;
  for (const auto& nic : machine.nics)
    if (const auto resource = picture.resources.find(nic.resource); resource && !resource->found.empty())
      names.push_back(libvirt::guest_device_name(machine.id, static_cast<int>(names.size())));
  return names;
}

void write_mark(const std::filesystem::path& mark) {
  if (!std::ofstream(mark).put('\n').flush()) throw Error(ErrorCode::storage_failed, "The start of the virtual machine cannot be written down", mark.string());
}

void remove_mark(const std::filesystem::path& mark) {
  std::error_code ignored;  // the recovery looks again
  std::filesystem::remove(mark, ignored);
}

}  // namespace

NicGuards::NicGuards(Inventory& inventory, libvirt::Host& host, const Blueprint& blueprint, const network::MacGuard& guard, Turns& turns)
    : inventory_(inventory), host_(host), blueprint_(blueprint), guard_(guard), turns_(turns) {}

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
  write_mark(starting(machine.id));
  make_macvtaps(picture, machine);
  try {
    host_.start_paused(machine.id);
    resume(machine);
  } catch (...) {
    remove_mark(starting(machine.id));  // it has been told that it failed
    try {
      host_.destroy(machine.id);
      take_away(names_of(picture, machine));
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
  remove_mark(starting(machine.id));
}

std::filesystem::path NicGuards::starting(model::MachineId id) const {
  auto mark = blueprint_.files(id).directory;
  return mark += ".starting";
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

// Guarded as soon as they are there.
void NicGuards::make_macvtaps(const Picture& picture, const model::Machine& machine) {
  const auto names = names_of(picture, machine);
  std::size_t index = 0;
  for (const auto& nic : machine.nics) {
    const auto resource = picture.resources.find(nic.resource);
    if (!resource || resource->found.empty()) continue;
    const auto& name = names.at(index++);
    if (resource->spec.value("joint", "") != "macvtap") continue;
    const auto mac = nic.options.value("mac_address", "");
    network::make_macvtap(name, host_interface(*resource).value_or(""), mac);
    guard_.guard(name, network::Joint::macvtap, mac);
  }
  const std::lock_guard lock(mutex_);
  placed_[machine.id] = names;
}

void NicGuards::take_away(const std::vector<std::string>& names) {
  for (const auto& name : names) try {
      network::remove_macvtap(name);
      guard_.release(name);
    } catch (const Error& error) {
      spdlog::warn("the guard of {} could not be taken away: {} {}", name, error.what(), error.detail());
    }
}

void NicGuards::renew() {
  if (!host_.connected() || !host_.facts().embedded) return;
  const auto picture = inventory_.picture();
  picture->machines.visit_all([&](const auto& id, const auto& machine) {
    if (!concerns(*picture, *machine)) return;
    try {
      finish_start(*picture, *machine);
      if (picture->runtime(id).state != model::MachineState::STOPPED) place(id);
    } catch (const Error& error) {  // it may have stopped meanwhile
      spdlog::warn("the NICs of the virtual machine {} could not be guarded again: {} {}", id.text(), error.what(), error.detail());
    }
  });
  tidy();
  if (!std::exchange(cleared_, true)) clear_left_over(*picture);
}

// A guest that was started paused for its guards, by a server that died before it let it run: nobody else would.
void NicGuards::finish_start(const Picture& picture, const model::Machine& machine) {
  const auto mark = starting(machine.id);
  std::error_code failed;
  if (!std::filesystem::exists(mark, failed)) return;
  const auto turn = turns_.take_if_free(machine.id.uuid());
  if (!turn || !std::filesystem::exists(mark, failed)) return;  // it is being started right now, or has been
  if (picture.runtime(machine.id).state != model::MachineState::PAUSED) return remove_mark(mark);
  spdlog::info("the start of the virtual machine {} was cut short; it is finished", machine.id.text());
  resume(machine);
}

// What an earlier server made for machines that have stopped since, while nobody looked.
void NicGuards::clear_left_over(const Picture& picture) {
  bool any = false;
  picture.resources.visit_all([&](const auto&, const auto& resource) { any = any || !resource->found.empty(); });
  if (!any) return;
  try {
    auto devices = guard_.guarded();
    for (auto& name : network::macvtaps()) devices.insert(std::move(name));
    picture.machines.visit_all([&](const auto& id, const auto&) {
      auto prefix = libvirt::guest_device_name(id, 0);
      prefix.pop_back();
      std::vector<std::string> own;
      for (auto next = devices.lower_bound(prefix); next != devices.end() && next->starts_with(prefix); ++next) own.push_back(*next);
      if (own.empty()) return;
      const auto turn = turns_.take_if_free(id.uuid());
      if (turn && inventory_.picture()->runtime(id).state == model::MachineState::STOPPED) take_away(own);
    });
  } catch (const Error& error) {
    spdlog::warn("what was left of guests' network devices could not be looked for: {} {}", error.what(), error.detail());
  }
}

void NicGuards::tidy() {
  std::vector<model::MachineId> placed;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, names] : placed_) placed.push_back(id);
  }
  for (const auto& id : placed) {
    // Not while it is being started: what is taken away here would be what was made there.
    const auto turn = turns_.take_if_free(id.uuid());
    if (!turn || inventory_.picture()->runtime(id).state != model::MachineState::STOPPED) continue;
    std::vector<std::string> names;
    {
      const std::lock_guard lock(mutex_);
      names = placed_[id];
      placed_.erase(id);
    }
    take_away(names);
  }
}

}  // namespace velocity::service
