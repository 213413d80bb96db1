// A guest's macvtap on an interface of the host. Included by the service that starts machines on the host's network.
#pragma once

#include <string>
#include <vector>

namespace velocity::network {

// We make them, and not libvirt's <interface type='direct'>: its embedded driver crashes when such a guest ends (it looks for a listener to
// netlink events that only its daemon starts).
//
// In the network namespace of the calling thread. Errors: Error(network_failed).
void make_macvtap(const std::string& name, const std::string& lower, const std::string& mac);  // switched on; takes the place of one of this name
std::vector<std::string> macvtaps();                                                           // the names of all
void remove_macvtap(const std::string& name);                                                  // none of this name is success

}  // namespace velocity::network
