// What a type plans for one of its examples, as a domain. Included by this folder's checks that judge domains.
#pragma once

#include "framework/libvirt/domain_xml.hpp"
#include "sdk/conformance/subject.hpp"

namespace velocity::conformance {

// The domain of a machine of the type on such a host, or of a plain machine with a resource of the type attached.
libvirt::DomainParts domain_parts(Subject& subject, const Example& example, const libvirt::HostFacts& facts);

}  // namespace velocity::conformance
