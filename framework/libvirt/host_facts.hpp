// Finds out what a host can do. Included by this room's connection only.
#pragma once

#include "framework/libvirt/host.hpp"

namespace velocity::libvirt {

class Session;

// Blocks: the first probe of a fresh embedded root takes more than a second. Throws as Session does.
HostFacts probe_host(Session& session, const HostSettings& settings, bool embedded);

}  // namespace velocity::libvirt
