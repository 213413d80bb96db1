// Makes a domain's XML from what the core owns and the fragments that plugins gave. Included by the machine service.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "framework/libvirt/host.hpp"
#include "framework/model/machine.hpp"

namespace velocity::libvirt {

// A piece of domain XML from a plugin: the element(s) that belong into one section. Sections: "os", "cpu", "features", "clock", "sysinfo" (one
// element of that name), "devices" (any number of elements that may stand in <devices>) and "extensions" (any number of extensions.hpp's).
struct Fragment {
  std::string section;
  std::string xml;
  std::string origin;  // the plugin, for the error message
  bool attached = false;  // a device of the machine's lists: its place in the boot order is behind those of the type's own
};

// What an image is based on.
struct BackingFile {
  std::filesystem::path file;
  std::string format;  // raw or qcow2
};

// How guests on the host's network are kept to their own address: by the rules that service/nic_guards.hpp puts on devices whose names we
// give, or by a filter that libvirt has.
enum class Guarding { device, filter, none };

// What fits the host; none for the test driver, which has no guests.
Guarding guarding_of(const HostFacts& facts);

struct DomainParts {
  model::MachineId id;
  std::string title;  // the user's name for it: goes into metadata, never into <name>
  int cpu_count = 1;
  int memory_mb = 0;
  bool displays = false;  // whether to offer a screen (graphics on a socket of our own)
  std::vector<Fragment> fragments;
  std::map<std::filesystem::path, std::vector<BackingFile>> backing;  // of each disk's file that has any: what lies below it, the next one first
  std::set<std::filesystem::path> devices;  // those of the files that are block devices of the host
  std::set<std::filesystem::path> allowed_files;  // every source file or directory that a fragment may name
  std::set<std::filesystem::path> allowed_configurations;  // files of QEMU's options, which we write: nothing else may be read as one
  std::set<std::filesystem::path> allowed_directories;  // every directory that an extension may name
  std::set<std::string> allowed_interfaces;  // every interface of the host that a NIC may be bridged to
  Guarding guarding = Guarding::device;
  std::filesystem::path nvram;                    // where the guest's firmware variables live; used when <os> has <nvram>
  std::filesystem::path console_log;              // the serial port's output
  std::filesystem::path run_directory;            // sockets
};

// The fragments are parsed again and merged by nodes. Anything outside the allow-list of elements and attributes for its section
// (fragment_rules.cpp), a file that is neither in allowed_files nor firmware that the host has installed, a seclabel, an own emulator, a
// namespace of its own, or a boot order given twice is refused: Error(plugin_failed) naming the fragment's origin and the place. More processors
// than the host gives are request_invalid. The core
// itself writes: name (the UUID), uuid, title, metadata, memory, vcpu, on_* actions, emulator, serial port with log, graphics, memballoon
// and rng. A driver type is enforced on each disk, and
// its <backingStore> is what `backing` says of its file, whatever the plugin says. There is never a <seclabel>: the host's own security driver does
// what its administrator wants.
std::string domain_xml(const DomainParts& parts, const HostFacts& facts);

// The devices of parts.fragments[fragment], which is of the section "devices", each as it stands in the domain. The same checks, the same
// errors.
std::vector<std::string> device_xml(const DomainParts& parts, std::size_t fragment);

}  // namespace velocity::libvirt
