// What must be done to a running machine's devices to make them those of an altered row, and what of that can only come with the next start.
// Included by the alterations.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "framework/model/error.hpp"
#include "framework/service/attached_device.hpp"

namespace velocity::service {

struct LiveStep {
  enum class Action { detach, change_medium, attach };
  Action action = Action::attach;
  model::ResourceId resource;
  model::ResourceKind kind = model::ResourceKind::storage;
  libvirt::Device device;  // to detach
  std::string xml;         // to attach, or the drive with its new medium
};

struct LivePlan {
  std::vector<LiveStep> steps;                // in the order in which they must be done
  std::set<model::ResourceKind> next_start;   // of these lists not all changes are live
};

// `strict`: a disk or NIC that cannot be taken out of the running machine is refused: Error(machine_boot_disk | machine_running) with `rid`.
// Otherwise it is left in the machine, for who can try again later.
LivePlan plan_live(const std::vector<AttachedDevice>& from, const std::vector<AttachedDevice>& to, const std::vector<libvirt::Device>& live,
                   bool boots_a_kernel, bool strict);

model::Error detach_refused(model::ResourceId resource, const std::string& why);

}  // namespace velocity::service
