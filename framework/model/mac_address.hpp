// Ethernet addresses of guests. Included by what reads a machine's NICs and by what makes them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace velocity::model {

// Six hexadecimal octets with colons, in lower case; nothing for what is none, for a group address and for zero: neither can be a NIC's.
std::optional<std::string> read_mac_address(std::string_view text);

// A locally administered one (IEEE 802-2014, 8.4) with 40 random bits, so that two of ten thousand are not the same.
std::string random_mac_address();

}  // namespace velocity::model
