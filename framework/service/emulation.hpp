// What the administrator is told when guests do not run as fast as they could, and what helps. Included by the recovery.
#pragma once

#include <string>

#include "framework/libvirt/host.hpp"

namespace velocity::service {

// Empty when there is nothing to be told: KVM works and is used, or there are no guests at all.
std::string emulation_notice(const libvirt::HostFacts& facts);

}  // namespace velocity::service
