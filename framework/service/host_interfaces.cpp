#include "framework/service/host_interfaces.hpp"

namespace velocity::service {

std::vector<network::Interface> HostInterfaces::list() const {
  const auto facts = host_.facts();
  if (facts.domain_type == "test") return {};  // it pretends to have a host
  if (facts.embedded) return interfaces_.list();
  std::vector<network::Interface> list;
  for (const auto& bridge : host_.bridges()) list.push_back({bridge.name, bridge.mac, network::Joint::bridge, bridge.up, 0, "bridge " + bridge.name});
  return list;
}

}  // namespace velocity::service
