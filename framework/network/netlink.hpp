// The kernel's routing socket: what is asked of it and what it tells by itself. Included by this room only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "framework/process/descriptor.hpp"

namespace velocity::network {

using Bytes = std::span<const std::byte>;

// One rtnetlink socket, in the network namespace of the thread that makes it. Threads: one at a time.
// Errors: Error(network_failed).
class Netlink {
 public:
  explicit Netlink(std::uint32_t groups = 0);  // of RTMGRP_…: what the kernel is to tell by itself

  int descriptor() const { return socket_.number(); }

  // Asks for all that there is of one kind (RTM_GETLINK, RTM_GETROUTE) and hands on each answer's body, header of the kind and all.
  void dump(std::uint16_t kind, Bytes header, const std::function<void(Bytes body)>& take);

  // Asks for a change, RTM_NEWLINK or RTM_DELLINK, and waits until it is made.
  void change(std::uint16_t kind, std::uint16_t flags, Bytes body);

  // Reads what has come and forgets it; false when nothing has. That some was lost counts as news too.
  bool drain();

 private:
  process::Descriptor socket_;
  std::uint32_t sequence_ = 0;
};

// The attributes behind a body's header, one call for each.
void visit_attributes(Bytes attributes, const std::function<void(std::uint16_t type, Bytes value)>& take);

std::string text_of(Bytes value);  // without the terminator
std::uint32_t number_of(Bytes value);  // 0 for one that is too short

}  // namespace velocity::network
