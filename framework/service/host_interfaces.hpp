// The interfaces of the hypervisor's host, whoever knows them: this host's kernel for the embedded driver, a libvirtd for its own host.
// Made by the daemon; lent to plugins as host.interfaces.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/libvirt/host.hpp"
#include "framework/network/interfaces.hpp"

namespace velocity::service {

// Thread-safe. A bridge that the host's default route leads through is offered only when the configuration lists it, whoever runs the hypervisor.
class HostInterfaces {
 public:
  // `listed`: of a libvirtd on another host, whose routes nobody here knows, these bridges alone are offered. Without it the host is this one.
  HostInterfaces(libvirt::Host& host, const network::Interfaces& interfaces, std::optional<std::vector<std::string>> listed = std::nullopt)
      : host_(host), interfaces_(interfaces), listed_(std::move(listed)) {}

  // Blocks as a call of the host does; hypervisor_unavailable when it is away and would have to be asked.
  std::vector<network::Interface> list() const;

 private:
  libvirt::Host& host_;
  const network::Interfaces& interfaces_;
  const std::optional<std::vector<std::string>> listed_;
};

}  // namespace velocity::service
