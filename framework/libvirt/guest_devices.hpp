// The devices of the host that a guest's bridged NICs send through. Included by the service that guards them; this room's merge names them.
#pragma once

#include <string>
#include <vector>

#include "framework/model/uuid.hpp"

namespace velocity::libvirt {

struct GuestDevice {
  std::string name;  // on the host
  std::string mac;   // the NIC's own address
  bool macvtap = false;  // else a tap on a bridge
};

// Of a domain's XML: its taps on bridges, and the macvtaps that we make for it.
std::vector<GuestDevice> guest_devices(const std::string& domain_xml);

// The name of a machine's bridged NIC on the host, counted from 0: the same at every start and nobody else's, 15 characters at most.
std::string guest_device_name(model::MachineId id, int index);

}  // namespace velocity::libvirt
