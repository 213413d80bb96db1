// Puts plugins' fragments into a domain. Included by domain_xml.cpp only.
#pragma once

#include <cstddef>
#include <pugixml.hpp>
#include <string>
#include <vector>

#include "framework/libvirt/domain_xml.hpp"

namespace velocity::libvirt {

// Parses every fragment, checks each element, attribute and text against fragment_rules, and appends copies of what passed below `domain`
// and its <devices>. Throws Error(plugin_failed) at the first thing that is not allowed.
void merge_fragments(pugi::xml_node domain, const DomainParts& parts);

// The devices that one of the fragments asks for, as they stand in the domain that all of them make.
std::vector<std::string> merged_devices(const DomainParts& parts, std::size_t fragment);

}  // namespace velocity::libvirt
