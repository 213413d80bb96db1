#include "framework/model/mac_address.hpp"

#include <cctype>

#include "framework/model/uuid.hpp"

namespace velocity::model {
namespace {

constexpr std::size_t kLength = 17;  // 02:df:38:20:b3:f9
constexpr int kOctets = 6;

int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

}  // namespace

std::optional<std::string> read_mac_address(std::string_view text) {
  if (text.size() != kLength) return std::nullopt;
  std::string address;
  bool zero = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool separator = i % 3 == 2;
    if (separator ? c != ':' : std::isxdigit(c) == 0) return std::nullopt;
    address += static_cast<char>(std::tolower(c));
    zero = zero && (separator || c == '0');
  }
  const bool group = (digit(address[1]) & 1) != 0;
  if (group || zero) return std::nullopt;
  return address;
}

std::string random_mac_address() {
  const auto random = Uuid::random().text();  // its first eight and its last twelve digits are random
  std::string address = "02";
  for (int octet = 1; octet < kOctets; ++octet) address += ':' + random.substr(random.size() - 2 * static_cast<std::size_t>(octet), 2);
  return address;
}

}  // namespace velocity::model
