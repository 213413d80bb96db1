#include "framework/libvirt/guest_devices.hpp"

#include <fmt/format.h>

#include <pugixml.hpp>
#include <string_view>

#include "framework/model/error.hpp"

namespace velocity::libvirt {

namespace {

constexpr std::size_t kDigits = 9;  // of the machine's random id

}  // namespace

std::vector<GuestDevice> guest_devices(const std::string& domain_xml) {
  pugi::xml_document document;
  if (!document.load_buffer(domain_xml.data(), domain_xml.size()))
    throw model::Error(model::ErrorCode::hypervisor_failed, "The hypervisor failed", "a domain's description is not XML");
  std::vector<GuestDevice> devices;
  for (const pugi::xml_node interface : document.child("domain").child("devices").children("interface")) {
    const std::string_view type = interface.attribute("type").value();
    if (type != "bridge" && type != "ethernet") continue;
    devices.push_back({interface.child("target").attribute("dev").value(), interface.child("mac").attribute("address").value(), type == "ethernet"});
  }
  return devices;
}

// Not "vnet…", "macvtap…": libvirt gives such names itself, and forgets one that it is told.
std::string guest_device_name(model::MachineId id, int index) {
  std::string digits = id.text();
  std::erase(digits, '-');
  return fmt::format("vy{}-{}", digits.substr(0, kDigits), index);
}

}  // namespace velocity::libvirt
