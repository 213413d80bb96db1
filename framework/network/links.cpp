#include "framework/network/links.hpp"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <cstring>

namespace velocity::network {
namespace {

constexpr std::size_t kMacOctets = 6;

// The structure at a body's beginning, and the attributes behind it.
template <class Header>
bool split(Bytes body, Header& header, Bytes& attributes) {
  if (body.size() < sizeof header) return false;
  std::memcpy(&header, body.data(), sizeof header);
  const auto begin = NLMSG_ALIGN(sizeof header);
  attributes = begin < body.size() ? body.subspan(begin) : Bytes();
  return true;
}

template <class Header>
Bytes bytes_of(const Header& header) {
  return std::as_bytes(std::span(&header, 1));
}

std::string mac_of(Bytes value) {
  if (value.size() != kMacOctets) return {};
  std::string text;
  for (const auto octet : value) text += fmt::format("{}{:02x}", text.empty() ? "" : ":", std::to_integer<unsigned>(octet));
  return text;
}

std::string kind_of(Bytes linkinfo) {
  std::string kind;
  visit_attributes(linkinfo, [&](std::uint16_t type, Bytes value) {
    if (type == IFLA_INFO_KIND) kind = text_of(value);
  });
  return kind;
}

void read_attribute(Link& link, std::uint16_t type, Bytes value) {
  switch (type) {
    case IFLA_IFNAME: link.name = text_of(value); break;
    case IFLA_ADDRESS: link.mac = mac_of(value); break;
    case IFLA_PERM_ADDRESS: link.permanent = mac_of(value); break;
    case IFLA_MTU: link.mtu = static_cast<int>(number_of(value)); break;
    case IFLA_MASTER: link.master = static_cast<int>(number_of(value)); break;
    case IFLA_LINK: link.lower = static_cast<int>(number_of(value)); break;
    case IFLA_LINKINFO: link.kind = kind_of(value); break;
    case IFLA_PARENT_DEV_NAME: link.hardware = true; break;
    default: break;
  }
}

// A route's way out, or each of the several that it has.
void add_ways_out(std::set<int>& found, std::uint16_t type, Bytes value) {
  if (type == RTA_OIF) found.insert(static_cast<int>(number_of(value)));
  if (type != RTA_MULTIPATH) return;
  while (value.size() >= sizeof(rtnexthop)) {
    rtnexthop hop{};
    std::memcpy(&hop, value.data(), sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > value.size()) return;
    found.insert(hop.rtnh_ifindex);
    value = value.subspan(std::min<std::size_t>(RTNH_ALIGN(hop.rtnh_len), value.size()));
  }
}

}  // namespace

std::vector<Link> read_links(Netlink& netlink) {
  std::vector<Link> links;
  ifinfomsg asked{};
  asked.ifi_family = AF_UNSPEC;
  netlink.dump(RTM_GETLINK, bytes_of(asked), [&](Bytes body) {
    ifinfomsg header{};
    Bytes attributes;
    if (!split(body, header, attributes)) return;
    Link link;
    link.index = header.ifi_index;
    link.ethernet = header.ifi_type == ARPHRD_ETHER;
    link.loopback = (header.ifi_flags & IFF_LOOPBACK) != 0;
    link.up = (header.ifi_flags & IFF_UP) != 0;
    visit_attributes(attributes, [&](std::uint16_t type, Bytes value) { read_attribute(link, type, value); });
    links.push_back(std::move(link));
  });
  return links;
}

std::set<int> read_default_routes(Netlink& netlink) {
  std::set<int> found;
  for (const int family : {AF_INET, AF_INET6}) {
    rtmsg asked{};
    asked.rtm_family = static_cast<unsigned char>(family);
    netlink.dump(RTM_GETROUTE, bytes_of(asked), [&](Bytes body) {
      rtmsg header{};
      Bytes attributes;
      if (!split(body, header, attributes) || header.rtm_dst_len != 0 || header.rtm_type != RTN_UNICAST) return;
      visit_attributes(attributes, [&](std::uint16_t type, Bytes value) { add_ways_out(found, type, value); });
    });
  }
  return found;
}

std::set<int> ways_out(const std::vector<Link>& links, std::set<int> routes) {
  const auto stands_on_another = [](const Link& link) { return link.kind == "vlan" || link.kind == "macvlan" || link.kind == "ipvlan"; };
  for (bool more = true; more;) {
    more = false;
    for (const auto& link : links)
      if (stands_on_another(link) && routes.contains(link.index)) more = routes.insert(link.lower).second || more;
  }
  return routes;
}

}  // namespace velocity::network
