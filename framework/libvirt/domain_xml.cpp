#include "framework/libvirt/domain_xml.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>

#include "framework/libvirt/fragments.hpp"
#include "framework/model/error.hpp"

namespace velocity::libvirt {

namespace {

constexpr const char* kNamespace = "urn:velocity:1";
constexpr int kSparePorts = 4;

pugi::xml_node append(pugi::xml_node parent, const char* name, const std::string& text = {}) {
  pugi::xml_node node = parent.append_child(name);
  if (!text.empty()) node.text() = text.c_str();
  return node;
}

pugi::xml_node append_typed(pugi::xml_node parent, const char* name, const char* attribute, const char* value) {
  pugi::xml_node node = parent.append_child(name);
  node.append_attribute(attribute) = value;
  return node;
}

// XML 1.0 has no way to write control characters, and libvirt wants a title of one line.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

void append_identity(pugi::xml_node domain, const DomainParts& parts) {
  const std::string title = one_line(parts.title);
  append(domain, "name", parts.id.text());
  append(domain, "uuid", parts.id.text());
  if (!title.empty()) append(domain, "title", title);
  pugi::xml_node machine = append(append(domain, "metadata"), "velocity:machine");
  machine.append_attribute("xmlns:velocity") = kNamespace;
  machine.append_attribute("name") = title.c_str();
}

// The guest's first serial port. The log is opened for appending, so that it goes on over restarts and whoever keeps it short can punch
// holes into it.
void append_console(pugi::xml_node devices, const DomainParts& parts) {
  pugi::xml_node serial = append_typed(devices, "serial", "type", "pty");
  if (!parts.console_log.empty()) {
    pugi::xml_node log = append_typed(serial, "log", "file", parts.console_log.c_str());
    log.append_attribute("append") = "on";
  }
  serial.append_child("target").append_attribute("port") = 0;
  pugi::xml_node target = append_typed(append_typed(devices, "console", "type", "pty"), "target", "type", "serial");
  target.append_attribute("port") = 0;
}

void append_screen(pugi::xml_node devices, const DomainParts& parts) {
  const std::string socket = (parts.run_directory / (parts.id.text() + ".vnc")).string();
  if (socket.size() > sizeof(sockaddr_un::sun_path) - 1)
    throw model::Error(model::ErrorCode::hypervisor_failed, "The server's directory for sockets has too long a path",
                       fmt::format("{} has {} bytes, {} are allowed", socket, socket.size(), sizeof(sockaddr_un::sun_path) - 1));
  pugi::xml_node listen = append_typed(append_typed(devices, "graphics", "type", "vnc"), "listen", "type", "socket");
  listen.append_attribute("socket") = socket.c_str();
}

void append_devices(pugi::xml_node devices, const DomainParts& parts, const HostFacts& facts) {
  if (!facts.emulator.empty()) append(devices, "emulator", facts.emulator);
  append_console(devices, parts);
  if (parts.displays) append_screen(devices, parts);
  append_typed(devices, "memballoon", "model", "virtio");
  append_typed(append_typed(devices, "rng", "model", "virtio"), "backend", "model", "random").text() = "/dev/urandom";
}

// A device that is plugged into a running q35 machine needs a port that was there when it started. libvirt gives the ports that are written
// here to the devices first, so there must be one for each of those, and some to spare.
void append_ports(pugi::xml_node domain) {
  const std::string_view machine = domain.child("os").child("type").attribute("machine").value();
  if (machine != "q35" && !machine.starts_with("pc-q35")) return;
  pugi::xml_node devices = domain.child("devices");
  int ports = kSparePorts;
  for (const pugi::xml_node device : devices.children()) {
    const std::string_view name = device.name();
    const std::string_view bus = device.child("target").attribute("bus").value();
    const std::string_view kind = device.attribute("type").value();
    const bool controller = name == "controller" && (kind == "usb" || kind == "scsi" || kind == "virtio-serial");
    const bool other = name == "interface" || name == "rng" || name == "memballoon" || name == "watchdog" || name == "video";
    if (controller || other || (name == "disk" && bus == "virtio")) ++ports;
  }
  // Whoever writes ports must write their root too: libvirt would give its number to the first of them.
  pugi::xml_node root = append_typed(devices, "controller", "type", "pci");
  root.append_attribute("index") = 0;
  root.append_attribute("model") = "pcie-root";
  for (int i = 0; i < ports; ++i) {
    pugi::xml_node port = append_typed(devices, "controller", "type", "pci");
    port.append_attribute("model") = "pcie-root-port";
  }
}

// What libvirt would refuse as a whole is told for what it is.
void check_processors(pugi::xml_node domain, int count, const HostFacts& facts) {
  constexpr int kMostWithoutIommu = 255;  // beyond, an interrupt controller needs its help to reach them
  if (facts.most_processors == 0) return;
  const int most = domain.child("devices").child("iommu") ? facts.most_processors : std::min(facts.most_processors, kMostWithoutIommu);
  if (count > most) throw model::Error(std::vector<model::Problem>{{"/cpu_count", fmt::format("must be at most {} on this host", most)}});
}

}  // namespace

Guarding guarding_of(const HostFacts& facts) {
  if (facts.embedded) return Guarding::device;
  return facts.domain_type == "test" ? Guarding::none : Guarding::filter;
}

std::vector<std::string> device_xml(const DomainParts& parts, std::size_t fragment) { return merged_devices(parts, fragment); }

std::string domain_xml(const DomainParts& parts, const HostFacts& facts) {
  pugi::xml_document document;
  pugi::xml_node domain = append_typed(document, "domain", "type", facts.domain_type.c_str());
  append_identity(domain, parts);
  pugi::xml_node memory = append(domain, "memory", fmt::to_string(parts.memory_mb));
  memory.append_attribute("unit") = "MiB";
  append(domain, "vcpu", fmt::to_string(parts.cpu_count));
  append(domain, "on_poweroff", "destroy");
  append(domain, "on_reboot", "restart");
  append(domain, "on_crash", "destroy");
  append_devices(append(domain, "devices"), parts, facts);
  merge_fragments(domain, parts);
  if (!domain.child("os"))
    throw model::Error(model::ErrorCode::plugin_failed, "The machine's type says nothing of how it boots",
                       "no fragment for the section os");
  check_processors(domain, parts.cpu_count, facts);
  if (facts.domain_type != "test") append_ports(domain);
  // No <seclabel>: the host's own security driver labels guests as its administrator has set it up, and no plugin can turn that off.
  std::ostringstream text;
  document.save(text, "  ", pugi::format_default | pugi::format_no_declaration);
  return std::move(text).str();
}

}  // namespace velocity::libvirt
