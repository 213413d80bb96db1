// A disk or NIC of a machine's lists as the hypervisor gets it. Included by the blueprint, which draws it, and by who plugs it in.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "framework/libvirt/devices.hpp"
#include "framework/model/resource.hpp"

namespace velocity::service {

struct AttachedDevice {
  model::ResourceId resource;
  model::ResourceKind kind = model::ResourceKind::storage;
  nlohmann::json options;
  bool guarded = false;    // it is given to a guest only when a guard stands at it, which is made at the start
  std::string xml;         // of the disk or NIC; empty when it is something that cannot be plugged
  libvirt::Device device;  // what is in the XML
};

}  // namespace velocity::service
