#include "framework/service/live_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "framework/model/field_reader.hpp"

namespace velocity::service {
namespace {

using libvirt::Device;
using model::ResourceId;
using model::ResourceKind;

const AttachedDevice* find(const std::vector<AttachedDevice>& devices, ResourceId id) {
  const auto found = std::find_if(devices.begin(), devices.end(), [&](const AttachedDevice& device) { return device.resource == id; });
  return found == devices.end() ? nullptr : &*found;
}

// The disk that the firmware tries first: the machine may have no system without it.
std::optional<ResourceId> boot_disk(const std::vector<AttachedDevice>& devices) {
  std::optional<ResourceId> first;
  std::int64_t best = std::numeric_limits<std::int64_t>::max();
  for (const auto& device : devices) {
    if (device.kind != ResourceKind::storage) continue;
    model::FieldReader options(device.options);
    const auto place = options.integer("boot", 1, std::numeric_limits<std::int64_t>::max() - 1).value_or(std::numeric_limits<std::int64_t>::max() - 1);
    if (place >= best) continue;
    best = place;
    first = device.resource;
  }
  return first;
}

bool on_a_bus_of_its_start(const std::string& xml) {
  const auto bus = libvirt::bus_of(xml);
  return bus == "sata" || bus == "ide";
}

model::Error boot_disk_refused(ResourceId resource) {
  return model::Error(model::ErrorCode::machine_boot_disk,
                      fmt::format("The resource {} is the disk that the running machine has started from. Stop the machine first", resource.text()))
      .with("rid", resource.text());
}

class Planner {
 public:
  Planner(const std::vector<AttachedDevice>& from, const std::vector<AttachedDevice>& to, const std::vector<Device>& live, bool boots_a_kernel, bool strict)
      : from_(from), to_(to), live_(live), boot_disk_(boots_a_kernel ? std::nullopt : boot_disk(from)), strict_(strict) {}

  LivePlan plan() && {
    for (const auto& device : from_)
      if (!find(to_, device.resource)) take_out(device);
    for (const auto& device : to_)
      if (!find(from_, device.resource) || missing(device)) put_in(device);
    for (const auto& drive : free_drives_) change_medium(drive, {}, {});
    for (const auto kind : {ResourceKind::storage, ResourceKind::nic})
      if (kept(from_, to_, kind) != kept(to_, from_, kind)) plan_.next_start.insert(kind);
    std::stable_sort(plan_.steps.begin(), plan_.steps.end(), [](const LiveStep& a, const LiveStep& b) { return a.action < b.action; });
    return std::move(plan_);
  }

 private:
  void refuse(const AttachedDevice& device, const std::string& why) const {
    if (strict_) throw detach_refused(device.resource, why);
  }

  const Device* find_live(const Device& wanted) const {
    const auto found = std::find_if(live_.begin(), live_.end(), [&](const Device& device) {
      if (device.kind != wanted.kind) return false;
      return wanted.kind == Device::Kind::nic ? !wanted.mac.empty() && device.mac == wanted.mac : device.source == wanted.source;
    });
    return found == live_.end() ? nullptr : &*found;
  }

  // Taken out by an alteration that is being taken back: it stood in both rows and is not in the machine.
  bool missing(const AttachedDevice& device) const {
    return !strict_ && !device.xml.empty() && !find_live(device.device);
  }

  void take_out(const AttachedDevice& device) {
    if (device.xml.empty()) return refuse(device, "It is of a kind that cannot be taken out of a running machine");
    const auto* there = find_live(device.device);
    if (!there) return;  // waits for the next start
    if (there->removable) return free_drives_.push_back(*there);
    if (boot_disk_ == device.resource && strict_) throw boot_disk_refused(device.resource);
    if (on_a_bus_of_its_start(there->xml)) return refuse(device, "A disk on SATA cannot be taken out of a running machine");
    plan_.steps.push_back({LiveStep::Action::detach, device.resource, device.kind, *there, {}});
  }

  void put_in(const AttachedDevice& device) {
    if (device.xml.empty() || device.guarded || (device.kind == ResourceKind::storage && on_a_bus_of_its_start(device.xml) && !device.device.removable)) {
      plan_.next_start.insert(device.kind);
    } else if (device.device.removable) {
      put_into_a_drive(device);
    } else {
      const auto target = device.kind == ResourceKind::storage ? libvirt::free_target(live_, libvirt::bus_of(device.xml)) : std::string();
      Device taken = device.device;
      taken.target = target;
      live_.push_back(taken);
      plan_.steps.push_back({LiveStep::Action::attach, device.resource, device.kind, {}, libvirt::as_hotplugged(device.xml, target)});
    }
  }

  // A CD drive cannot be plugged in. One that is emptied by the same change, or is empty already, takes the medium.
  void put_into_a_drive(const AttachedDevice& device) {
    if (!free_drives_.empty()) {
      const Device drive = free_drives_.front();
      free_drives_.erase(free_drives_.begin());
      return change_medium(drive, device.xml, device.resource);
    }
    const auto empty = std::find_if(live_.begin(), live_.end(), [](const Device& other) { return other.removable && other.source.empty(); });
    if (empty == live_.end()) {
      plan_.next_start.insert(device.kind);
      return;
    }
    change_medium(*empty, device.xml, device.resource);
    empty->source = device.device.source;
  }

  void change_medium(const Device& drive, const std::string& medium, ResourceId resource) {
    plan_.steps.push_back({LiveStep::Action::change_medium, resource, ResourceKind::storage, drive, libvirt::with_medium(drive, medium)});
  }

  // What stays of a list, in its order, with what was said of it.
  static std::vector<std::pair<ResourceId, nlohmann::json>> kept(const std::vector<AttachedDevice>& list, const std::vector<AttachedDevice>& other,
                                                                  ResourceKind kind) {
    std::vector<std::pair<ResourceId, nlohmann::json>> stay;
    for (const auto& device : list)
      if (device.kind == kind && find(other, device.resource)) stay.emplace_back(device.resource, device.options);
    return stay;
  }

  const std::vector<AttachedDevice>& from_;
  const std::vector<AttachedDevice>& to_;
  std::vector<Device> live_;
  const std::optional<ResourceId> boot_disk_;
  const bool strict_;
  std::vector<Device> free_drives_;
  LivePlan plan_;
};

}  // namespace

LivePlan plan_live(const std::vector<AttachedDevice>& from, const std::vector<AttachedDevice>& to, const std::vector<Device>& live, bool boots_a_kernel,
                   bool strict) {
  return Planner(from, to, live, boots_a_kernel, strict).plan();
}

model::Error detach_refused(ResourceId resource, const std::string& why) {
  return model::Error(model::ErrorCode::machine_running,
                      fmt::format("The resource {} cannot be taken out now. {}. Stop the machine first", resource.text(), why))
      .with("rid", resource.text());
}

}  // namespace velocity::service
