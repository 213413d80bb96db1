// The part of a session that changes a running machine's devices.
#include <libvirt/virterror.h>

#include "framework/libvirt/session.hpp"

namespace velocity::libvirt {

void Session::attach_device(model::MachineId id, const std::string& xml) {
  const Domain domain = get_domain(id);
  if (virDomainAttachDeviceFlags(counted(domain), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0) fail("virDomainAttachDeviceFlags");
}

void Session::detach_device(model::MachineId id, const std::string& xml) {
  const Domain domain = get_domain(id);
  if (virDomainDetachDeviceFlags(counted(domain), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0) fail("virDomainDetachDeviceFlags");
}

void Session::update_device(model::MachineId id, const std::string& xml) {
  const Domain domain = get_domain(id);
  // Force: the tray of a drive that the guest has locked is opened.
  constexpr unsigned kFlags = unsigned{VIR_DOMAIN_AFFECT_LIVE} | unsigned{VIR_DOMAIN_DEVICE_MODIFY_FORCE};
  if (virDomainUpdateDeviceFlags(counted(domain), xml.c_str(), kFlags) < 0) fail("virDomainUpdateDeviceFlags");
}

void Session::resize_block(model::MachineId id, const std::string& disk, std::uint64_t bytes) {
  const Domain domain = get_domain(id);
  if (virDomainBlockResize(counted(domain), disk.c_str(), bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES) < 0) fail("virDomainBlockResize");
}

}  // namespace velocity::libvirt
