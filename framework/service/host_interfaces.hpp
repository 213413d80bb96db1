// The interfaces of the hypervisor's host, whoever knows them: this host's kernel for the embedded driver, a libvirtd for its own host.
// Made by the daemon; lent to plugins as host.interfaces.
#pragma once

#include <vector>

#include "framework/libvirt/host.hpp"
#include "framework/network/interfaces.hpp"

namespace velocity::service {

// Thread-safe.
class HostInterfaces {
 public:
  HostInterfaces(libvirt::Host& host, const network::Interfaces& interfaces) : host_(host), interfaces_(interfaces) {}

  // Blocks as a call of the host does; hypervisor_unavailable when it is away and would have to be asked.
  std::vector<network::Interface> list() const;

 private:
  libvirt::Host& host_;
  const network::Interfaces& interfaces_;
};

}  // namespace velocity::service
