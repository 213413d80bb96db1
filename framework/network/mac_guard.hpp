// Lets a guest send from its own Ethernet address and from no other. Included by the services that start machines, and the daemon.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "framework/network/interfaces.hpp"

namespace velocity::network {

// A rule of the kernel's packet filter (table netdev velocity, one chain a device), so it holds whoever runs, until the device goes or
// release() is called. What a guest sends comes out of a tap and goes into a macvtap: hence the joint.
//
// Threads: any. Errors: Error(network_failed); then nothing has changed, and the guest must not run.
class MacGuard {
 public:
  explicit MacGuard(std::filesystem::path nft = "/usr/sbin/nft") : nft_(std::move(nft)) {}

  void guard(const std::string& device, Joint joint, const std::string& mac) const;  // again is success, and takes what is said now
  void release(const std::string& device) const;                                     // no such rule is success
  std::set<std::string> guarded() const;                                             // the devices that have such a rule

 private:
  std::filesystem::path nft_;
};

}  // namespace velocity::network
