// What libvirt 9 has no word for, said to QEMU directly: arguments in libvirt's namespace qemu:commandline, written by us alone from elements
// that have passed fragment_rules. Included by this room's merge of fragments only.
#pragma once

#include <pugixml.hpp>

namespace velocity::libvirt {

// Appends to `domain` what one checked element of the section "extensions" asks for. Nothing for libvirt's test driver, which has no QEMU.
// Throws request_invalid when there are more than a machine can have.
void append_extension(pugi::xml_node domain, pugi::xml_node element);

}  // namespace velocity::libvirt
