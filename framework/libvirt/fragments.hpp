// Puts plugins' fragments into a domain. Included by domain_xml.cpp only.
#pragma once

#include <pugixml.hpp>

#include "framework/libvirt/domain_xml.hpp"

namespace velocity::libvirt {

// Parses every fragment, checks each element, attribute and text against fragment_rules, and appends copies of what passed below `domain`
// and its <devices>. Throws Error(plugin_failed) at the first thing that is not allowed.
void merge_fragments(pugi::xml_node domain, const DomainParts& parts);

}  // namespace velocity::libvirt
