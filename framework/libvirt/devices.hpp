// The disks and NICs that a machine has now. Included by the services, and by this room's host, which finds them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace velocity::libvirt {

// One of a running machine's devices, as its guest sees it; of a stopped machine, as its definition has it.
struct Device {
  enum class Kind { disk, nic };
  Kind kind = Kind::disk;
  bool removable = false;        // a CD or floppy drive: its medium can be changed, the drive cannot be pulled out
  std::string target;            // a disk's name in the machine (vda); a NIC's name on the host, empty when it has none
  std::filesystem::path source;  // a disk's file; empty: no medium
  std::string mac;               // a NIC's, in lower case
  std::string xml;               // all of it: what detach_device() wants
};

// From a domain's XML. Throws Error(hypervisor_failed) when it is not XML.
std::vector<Device> devices_in(const std::string& domain_xml);

// From the XML of one device; nothing when it is neither disk nor NIC.
std::optional<Device> find_device(const std::string& device_xml);

// A disk's XML for a running machine: under another target, and without a place in the boot order, which counts from the next start on.
// Throws Error(plugin_failed) when it is not XML.
std::string as_hotplugged(const std::string& device_xml, const std::string& target);

// A drive's XML with another medium in it: of the device `medium`, or none.
std::string with_medium(const Device& drive, const std::string& medium);

// The first name of the form vda … vdz, vdaa … that none of the devices has.
std::string free_target(const std::vector<Device>& devices, const std::string& bus);

// What <target bus=…> of a disk says; empty for anything else.
std::string bus_of(const std::string& device_xml);

// What a domain's XML says of how it boots.
bool boots_a_kernel(const std::string& domain_xml);   // directly: from no disk
bool keeps_variables(const std::string& domain_xml);  // its firmware's, in a flash chip

}  // namespace velocity::libvirt
