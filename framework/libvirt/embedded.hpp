// Prepares a directory for libvirt's embedded QEMU driver. Included by this room's connection only.
#pragma once

#include <filesystem>
#include <string>

namespace velocity::libvirt {

// Makes <root>, 0700, and <root>/etc/qemu.conf, and returns the URI that opens it. See docs/decisions/0003-the-embedded-driver.md.
// Throws Error(hypervisor_unavailable) when the directory cannot be used; message and detail say why.
std::string prepare_embedded(const std::filesystem::path& root);

}  // namespace velocity::libvirt
