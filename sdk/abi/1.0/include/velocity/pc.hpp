// Building blocks of a PC of today, for authors of VM types: what most of them would write alike. Each answers one or more fragments;
// take what fits and write the rest with xml.hpp. Included by VM types only.
#pragma once

#include <velocity/plugin.hpp>
#include <velocity/xml.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace velocity {
namespace [[gnu::visibility("hidden")]] sdk {
namespace pc {

// libvirt's test driver, which has neither chipset nor processor: give it an <os> and little more.
inline bool is_pretended(const Host& host) { return host.domain_type == "test"; }

inline Availability needs_x86_64(const Host& host) {
  if (is_pretended(host) || host.arch == "x86_64") return {};
  return {false, "Machines of this type need an x86_64 host, this one is " + host.arch};
}

// <os> of a q35 machine, for more children.
inline xml::Element os(const Host& host) {
  xml::Element os("os");
  auto& type = os.child("type").text("hvm");
  if (!is_pretended(host)) type.attribute("arch", "x86_64").attribute("machine", "q35");
  return os;
}

inline xml::Element features() {
  xml::Element features("features");
  features.child("acpi");
  features.child("apic");
  return features;
}

inline Fragment clock() { return {"clock", xml::Element("clock").attribute("offset", "utc").str()}; }

// The host's processor; in emulation all that the emulator can do: guests built for x86-64-v2 and v3 run, which qemu64 would stop.
inline Fragment cpu(const Host& host) {
  return {"cpu", xml::Element("cpu").attribute("mode", host.acceleration == "kvm" ? "host-passthrough" : "maximum").str()};
}

inline Fragment controller(std::string_view type, std::string_view model) {
  return {"devices", xml::Element("controller").attribute("type", type).attribute("index", 0).attribute("model", model).str()};
}

// USB 3 and SCSI as of today. By themselves both would be of models that guests have no drivers for, or that cost them idle time.
inline std::vector<Fragment> controllers() { return {controller("usb", "qemu-xhci"), controller("scsi", "virtio-scsi")}; }

// One video device with a head for each display, and a tablet, so that the pointer is where the viewer's is. Nothing for no displays.
inline std::vector<Fragment> screen(const std::vector<Display>& displays, std::string_view model = "virtio", std::size_t max_heads = 16) {
  std::vector<Fragment> fragments;
  if (displays.empty()) return fragments;
  if (displays.size() > max_heads)
    throw Invalid("/displays", "must have at most " + std::to_string(max_heads) + (max_heads == 1 ? " entry" : " entries"));
  xml::Element video("video");
  auto& device = video.child("model").attribute("type", model).attribute("heads", displays.size()).attribute("primary", "yes");
  device.child("resolution").attribute("x", displays.front().width).attribute("y", displays.front().height);
  fragments.push_back({"devices", video.str()});
  for (const auto* kind : {"tablet", "keyboard"})
    fragments.push_back({"devices", xml::Element("input").attribute("type", kind).attribute("bus", "usb").str()});
  return fragments;
}

inline void append(std::vector<Fragment>& fragments, std::vector<Fragment> more) {
  for (auto& fragment : more) fragments.push_back(std::move(fragment));
}

// UEFI firmware: the code, and the template of the variables that a new machine starts with. The server keeps each machine's own.
struct Firmware {
  std::string code;
  std::string variables;
  bool secure = false;  // the code wants system management mode, and keeps the variables from the guest
};

inline void use_firmware(xml::Element& os, const Firmware& firmware) {
  auto& loader = os.child("loader").attribute("readonly", "yes");
  if (firmware.secure) loader.attribute("secure", "yes");
  loader.attribute("type", "pflash").text(firmware.code);
  os.child("nvram").attribute("template", firmware.variables);
}

// A setting that is a path. Notes one that is not absolute.
inline std::string absolute_path(Fields& fields, std::string_view field, std::string otherwise) {
  auto path = fields.text(field);
  if (path && !path->starts_with('/')) fields.note(field, "must be an absolute path");
  return path.value_or(std::move(otherwise));
}

}  // namespace pc
}  // namespace sdk
}  // namespace velocity
