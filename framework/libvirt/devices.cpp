#include "framework/libvirt/devices.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <pugixml.hpp>
#include <set>
#include <sstream>

#include "framework/model/error.hpp"

namespace velocity::libvirt {

namespace {

using model::Error;
using model::ErrorCode;

std::string text_of(const pugi::xml_node& node) {
  std::ostringstream text;
  node.print(text, "", pugi::format_raw | pugi::format_no_declaration);
  return std::move(text).str();
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

pugi::xml_node parse_device(pugi::xml_document& document, const std::string& xml) {
  if (!document.load_buffer(xml.data(), xml.size()) || !document.first_child())
    throw Error(ErrorCode::plugin_failed, "A device's description cannot be read", "it is not XML");
  return document.first_child();
}

pugi::xml_node parse_domain(pugi::xml_document& document, const std::string& xml) {
  if (!document.load_buffer(xml.data(), xml.size()))
    throw Error(ErrorCode::hypervisor_failed, "The hypervisor failed", "a machine's definition is not XML");
  return document.child("domain");
}

Device disk_of(const pugi::xml_node& node) {
  Device disk;
  disk.kind = Device::Kind::disk;
  const std::string kind = node.attribute("device").as_string("disk");
  disk.removable = kind == "cdrom" || kind == "floppy";
  disk.target = node.child("target").attribute("dev").value();
  const pugi::xml_node source = node.child("source");
  disk.source = (source.attribute("dev") ? source.attribute("dev") : source.attribute("file")).value();
  disk.xml = text_of(node);
  return disk;
}

Device nic_of(const pugi::xml_node& node) {
  Device nic;
  nic.kind = Device::Kind::nic;
  nic.target = node.child("target").attribute("dev").value();
  nic.mac = lower(node.child("mac").attribute("address").value());
  nic.xml = text_of(node);
  return nic;
}

std::optional<Device> device_of(const pugi::xml_node& node) {
  if (std::strcmp(node.name(), "disk") == 0) return disk_of(node);
  if (std::strcmp(node.name(), "interface") == 0) return nic_of(node);
  return std::nullopt;
}

// vda … vdz, vdaa …
std::string name(const std::string& prefix, int index) {
  std::string letters;
  for (int left = index; left >= 0; left = left / 26 - 1) letters.insert(letters.begin(), static_cast<char>('a' + left % 26));
  return prefix + letters;
}

}  // namespace

std::vector<Device> devices_in(const std::string& domain_xml) {
  pugi::xml_document document;
  std::vector<Device> devices;
  for (const pugi::xml_node node : parse_domain(document, domain_xml).child("devices").children())
    if (const auto device = device_of(node)) devices.push_back(*device);
  return devices;
}

std::optional<Device> find_device(const std::string& device_xml) {
  pugi::xml_document document;
  return device_of(parse_device(document, device_xml));
}

std::string as_hotplugged(const std::string& device_xml, const std::string& target) {
  pugi::xml_document document;
  pugi::xml_node device = parse_device(document, device_xml);
  device.remove_child("boot");
  if (pugi::xml_node node = device.child("target"); node && !target.empty()) node.attribute("dev") = target.c_str();
  return text_of(device);
}

std::string with_medium(const Device& drive, const std::string& medium) {
  pugi::xml_document document;
  pugi::xml_node device = parse_device(document, drive.xml);
  for (const char* child : {"source", "backingStore", "driver"}) device.remove_child(child);
  if (medium.empty()) return text_of(device);
  pugi::xml_document other;
  const pugi::xml_node from = parse_device(other, medium);
  if (const auto type = from.attribute("type")) device.attribute("type") = type.value();  // file or block
  for (const char* child : {"backingStore", "source", "driver"})
    if (const pugi::xml_node node = from.child(child)) device.prepend_copy(node);
  return text_of(device);
}

std::string free_target(const std::vector<Device>& devices, const std::string& bus) {
  std::set<std::string> taken;
  for (const Device& device : devices) taken.insert(device.target);
  const std::string prefix = bus == "virtio" ? "vd" : "sd";
  for (int index = 0;; ++index)
    if (std::string candidate = name(prefix, index); taken.count(candidate) == 0) return candidate;
}

std::string bus_of(const std::string& device_xml) {
  pugi::xml_document document;
  const pugi::xml_node device = parse_device(document, device_xml);
  return std::strcmp(device.name(), "disk") == 0 ? device.child("target").attribute("bus").value() : "";
}

bool boots_a_kernel(const std::string& domain_xml) {
  pugi::xml_document document;
  return !parse_domain(document, domain_xml).child("os").child("kernel").empty();
}

bool keeps_variables(const std::string& domain_xml) {
  pugi::xml_document document;
  return !parse_domain(document, domain_xml).child("os").child("nvram").empty();
}

}  // namespace velocity::libvirt
