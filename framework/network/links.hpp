// The links and default routes of this network namespace, as the kernel tells them. Included by this room only.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "framework/network/netlink.hpp"

namespace velocity::network {

struct Link {
  int index = 0;
  std::string name;
  std::string kind;       // of a virtual one: bridge, bond, veth, tun, macvtap, vlan …; empty for hardware
  std::string mac;        // 02:df:38:20:b3:f9
  std::string permanent;  // the address that the hardware came with; empty when it does not say
  bool ethernet = false;
  bool loopback = false;
  bool up = false;        // switched on by its administrator
  bool hardware = false;  // has a device on a bus behind it
  int mtu = 0;
  int master = 0;         // index of the bridge or bond that it is a port of; 0 for none
  int lower = 0;          // index of the link that it stands on (a VLAN's); 0 for none
};

std::vector<Link> read_links(Netlink& netlink);

// The indices of the links that some default route, of IPv4 or IPv6 and in any table, leads through.
std::set<int> read_default_routes(Netlink& netlink);

// The links that the routes lead through, and what carries those, however many stand on one another.
std::set<int> ways_out(const std::vector<Link>& links, std::set<int> routes);

}  // namespace velocity::network
