#include "framework/service/host_interfaces.hpp"

#include <algorithm>

namespace velocity::service {

std::vector<network::Interface> HostInterfaces::list() const {
  const auto facts = host_.facts();
  if (facts.domain_type == "test") return {};  // it pretends to have a host
  if (facts.embedded) return interfaces_.list();
  const auto names = listed_ ? *listed_ : interfaces_.held_back();
  std::vector<network::Interface> list;
  for (const auto& bridge : host_.bridges())
    if ((std::find(names.begin(), names.end(), bridge.name) != names.end()) == listed_.has_value())
      list.push_back({bridge.name, bridge.mac, network::Joint::bridge, bridge.up, 0, "bridge " + bridge.name});
  return list;
}

}  // namespace velocity::service
