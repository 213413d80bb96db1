// What a machine's list of NICs may say of each beside its id, and the element that libvirt makes of it. Included by plugins that bring a
// type of NIC.
#pragma once

#include <velocity/fields.hpp>
#include <velocity/xml.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace velocity {
namespace [[gnu::visibility("hidden")]] sdk {

inline constexpr std::int64_t kMaxBoot = 999;

struct NicOptions {
  std::string mac_address;            // the server gives every NIC one
  std::string model = "virtio";       // virtio, e1000e, e1000, vmxnet3, rtl8139
  std::optional<std::int64_t> boot;   // its place in the boot order; without one it is not booted from
};

// Throws Invalid with all that is wrong.
inline NicOptions read_nic_options(const Json& options) {
  Fields fields(options);
  NicOptions read;
  read.mac_address = fields.text("mac_address").value_or("");
  read.model = fields.one_of("model", {"virtio", "e1000e", "e1000", "vmxnet3", "rtl8139"}).value_or(read.model);
  read.boot = fields.integer("boot", 1, kMaxBoot);
  fields.refuse_others();
  fields.finish();
  return read;
}

// libvirt's <interface> of a type; the caller adds what the type needs beside.
inline xml::Element interface_element(const char* type, const NicOptions& options) {
  xml::Element element("interface");
  element.attribute("type", type);
  if (!options.mac_address.empty()) element.child("mac").attribute("address", options.mac_address);
  element.child("model").attribute("type", options.model);
  if (options.boot) element.child("boot").attribute("order", *options.boot);
  return element;
}

}  // namespace sdk
}  // namespace velocity
