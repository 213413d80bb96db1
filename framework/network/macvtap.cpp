#include "framework/network/macvtap.hpp"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <charconv>
#include <cstring>
#include <vector>

#include "framework/model/error.hpp"
#include "framework/network/links.hpp"
#include "framework/network/netlink.hpp"

namespace velocity::network {
namespace {

constexpr std::size_t kMacOctets = 6;

using Buffer = std::vector<std::byte>;

void append(Buffer& buffer, Bytes bytes) {
  buffer.insert(buffer.end(), bytes.begin(), bytes.end());
  buffer.resize(RTA_ALIGN(buffer.size()));
}

template <class Value>
Bytes bytes_of(const Value& value) {
  return std::as_bytes(std::span(&value, 1));
}

void put(Buffer& buffer, unsigned short type, Bytes value) {
  rtattr attribute{};
  attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(value.size()));
  attribute.rta_type = type;
  append(buffer, bytes_of(attribute));
  append(buffer, value);
}

void put(Buffer& buffer, unsigned short type, const std::string& text) { put(buffer, type, std::as_bytes(std::span(text.c_str(), text.size() + 1))); }

std::array<std::byte, kMacOctets> octets_of(const std::string& mac) {
  std::array<std::byte, kMacOctets> octets{};
  for (std::size_t i = 0; i < kMacOctets; ++i) {
    unsigned value = 0;
    const auto* begin = mac.data() + 3 * i;
    if (mac.size() != 3 * kMacOctets - 1 || std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2)
      throw model::Error(model::ErrorCode::network_failed, "A guest's network device cannot be made", "not an Ethernet address: " + mac);
    octets[i] = static_cast<std::byte>(value);
  }
  return octets;
}

Buffer link_info() {
  Buffer data;
  const std::uint32_t mode = MACVLAN_MODE_BRIDGE;  // guests on the same interface reach each other
  put(data, IFLA_MACVLAN_MODE, bytes_of(mode));
  Buffer info;
  put(info, IFLA_INFO_KIND, "macvtap");
  put(info, IFLA_INFO_DATA, data);
  return info;
}

}  // namespace

void make_macvtap(const std::string& name, const std::string& lower, const std::string& mac) {
  const std::uint32_t below = ::if_nametoindex(lower.c_str());
  if (below == 0) throw model::Error(model::ErrorCode::network_failed, "A guest's network device cannot be made", "there is no interface " + lower);
  remove_macvtap(name);
  ifinfomsg header{};
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  Buffer body;
  append(body, bytes_of(header));
  put(body, IFLA_IFNAME, name);
  put(body, IFLA_ADDRESS, octets_of(mac));
  put(body, IFLA_LINK, bytes_of(below));
  put(body, IFLA_LINKINFO, link_info());
  Netlink().change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body);
}

std::vector<std::string> macvtaps() {
  Netlink question;
  std::vector<std::string> names;
  for (auto& link : read_links(question))
    if (link.kind == "macvtap") names.push_back(std::move(link.name));
  return names;
}

void remove_macvtap(const std::string& name) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(::if_nametoindex(name.c_str()));
  if (header.ifi_index != 0) Netlink().change(RTM_DELLINK, 0, bytes_of(header));
}

}  // namespace velocity::network
