// Makes a domain's XML from what the core owns and the fragments that plugins gave. Included by the machine service.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "framework/libvirt/host.hpp"
#include "framework/model/machine.hpp"

namespace velocity::libvirt {

// A piece of domain XML from a plugin: the element(s) that belong into one section. Sections: "os", "cpu", "features", "clock" (one
// element of that name), "devices" (any number of elements that may stand in <devices>) and "extensions" (any number of extensions.hpp's).
struct Fragment {
  std::string section;
  std::string xml;
  std::string origin;  // the plugin, for the error message
};

struct DomainParts {
  model::MachineId id;
  std::string title;  // the user's name for it: goes into metadata, never into <name>
  int cpu_count = 1;
  int memory_mb = 0;
  bool displays = false;  // whether to offer a screen (graphics on a socket of our own)
  std::vector<Fragment> fragments;
  std::set<std::filesystem::path> allowed_files;  // every source file or directory that a fragment may name
  std::set<std::filesystem::path> allowed_directories;  // every directory that an extension may name
  std::filesystem::path nvram;                    // where the guest's firmware variables live; used when <os> has <nvram>
  std::filesystem::path console_log;              // the serial port's output
  std::filesystem::path run_directory;            // sockets
};

// The fragments are parsed again and merged by nodes. Anything outside the allow-list of elements and attributes for its section
// (fragment_rules.cpp), a file that is neither in allowed_files nor firmware that the host has installed, a seclabel, an own emulator, a
// namespace of its own, or a boot order given twice is refused: Error(plugin_failed) naming the fragment's origin and the place. The core
// itself writes: name (the UUID), uuid, title, metadata, memory, vcpu, on_* actions, emulator, serial port with log, graphics, memballoon
// and rng. A <backingStore/> and a driver type are enforced on each disk. There is never a <seclabel>: the host's own security driver does
// what its administrator wants.
std::string domain_xml(const DomainParts& parts, const HostFacts& facts);

}  // namespace velocity::libvirt
