#include "framework/network/mac_guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <sstream>
#include <string_view>

#include "framework/model/error.hpp"
#include "framework/process/program.hpp"

namespace velocity::network {
namespace {

constexpr std::size_t kLongestName = 15;  // IFNAMSIZ less the terminator
constexpr std::size_t kMacSize = 17;
constexpr std::chrono::seconds kDeadline{10};  // it takes some 5 ms

// Both go into a script: what they may be is said here, wherever they come from.
bool is_device(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  });
}

bool is_mac(std::string_view text) {
  if (text.size() != kMacSize) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i % 3 == 2 ? text[i] != ':' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  return true;
}

// A word that is none of nft's own.
std::string chain_of(const std::string& device) { return "guest-" + device; }

void check(bool right, std::string_view what, const std::string& value) {
  if (!right) throw model::Error(model::ErrorCode::network_failed, "The host's packet filter cannot be set up", fmt::format("not {}: {}", what, value));
}

model::Error failed(const process::ProgramEnd& end) {
  return {model::ErrorCode::network_failed, "The host's packet filter cannot be set up",
          end.timed_out ? std::string("nft did not end in time") : fmt::format("nft (package nftables) ended with {}: {}", end.status, end.errors)};
}

// All of the script or nothing of it, in the network namespace of the calling thread.
void run(const std::filesystem::path& nft, const std::string& script) {
  const auto end = process::Program({nft.string(), script}, {"LC_ALL=C"}, kDeadline).run();
  if (!end.success()) throw failed(end);
}

}  // namespace

void MacGuard::guard(const std::string& device, Joint joint, const std::string& mac) const {
  check(is_device(device), "the name of an interface", device);
  check(is_mac(mac), "an Ethernet address", mac);
  // Made, removed and made again in one transaction: whatever was there before, of an earlier device of this name too, is gone, and there is
  // no moment without a guard.
  const auto chain = chain_of(device);
  const auto make = fmt::format(R"(add chain netdev velocity {} {{ type filter hook {} device "{}" priority -500; policy drop; }})", chain,
                                joint == Joint::bridge ? "ingress" : "egress", device);
  run(nft_, fmt::format("add table netdev velocity\n{0}\ndelete chain netdev velocity {1}\n{0}\nadd rule netdev velocity {1} ether saddr {2} accept\n",
                            make, chain, mac));
}

std::set<std::string> MacGuard::guarded() const {
  std::string listed;
  const auto end = process::Program({nft_.string(), "list chains netdev"}, {"LC_ALL=C"}, kDeadline).run([&](std::string_view text) { listed += text; });
  if (!end.success()) throw failed(end);
  std::set<std::string> devices;
  std::istringstream words(listed);
  const auto prefix = chain_of("");
  bool ours = false;
  for (std::string word; words >> word;) {
    std::string name;
    if (word == "table" && words >> word >> name) ours = word == "netdev" && name == "velocity";
    if (ours && word == "chain" && words >> name && name.starts_with(prefix)) devices.insert(name.substr(prefix.size()));
  }
  return devices;
}

void MacGuard::release(const std::string& device) const {
  check(is_device(device), "the name of an interface", device);
  run(nft_, fmt::format("add table netdev velocity\nadd chain netdev velocity {0}\ndelete chain netdev velocity {0}\n", chain_of(device)));
}

}  // namespace velocity::network
