// Prepares a directory for libvirt's embedded QEMU driver. Included by this room's connection only.
#pragma once

#include <filesystem>
#include <string>

#include "framework/model/uuid.hpp"

namespace velocity::libvirt {

// Makes <root>, 0700, and <root>/etc/qemu.conf, and returns the URI that opens it. See docs/decisions/0003-the-embedded-driver.md.
// Ends probes that a killed process left running below the root, so no other process may be using it.
// A root whose path is too long for the sockets below it is opened through a short symbolic link in the runtime directory.
// Throws Error(hypervisor_unavailable) when the directory cannot be used; message and detail say why.
std::string prepare_embedded(const std::filesystem::path& root);

// What QEMU and libvirt write of a machine is only ever added to: dropped before a start when it has become long, and with the machine.
void trim_log(const std::filesystem::path& root, model::MachineId id);
void remove_log(const std::filesystem::path& root, model::MachineId id);

}  // namespace velocity::libvirt
