// What a request's header must be before anything behind it is read. Included by the connection.
#pragma once

#include <set>
#include <string>

#include "server/edge/request.hpp"
#include "server/edge/settings.hpp"

namespace velocity::edge {

using RequestParser = http::request_parser<http::buffer_body>;

// What stands in Host or behind the scheme of an Origin.
struct Authority {
  std::string host;  // lower case, an IPv6 address without brackets
  std::string port;  // empty: the scheme's own
  bool is_address = false;
};

// Immutable after construction.
class Vetting {
 public:
  Vetting(const EdgeSettings& settings, bool loopback, bool tls);

  // `request` has its id and the connection's peer, and is filled step by step, so that a refused one can be logged. Throws Error.
  void check(const RequestParser& parser, Request& request) const;

 private:
  void check_framing(const RequestParser& parser, const Request& request) const;
  void check_fields(const RequestParser& parser, Request& request) const;
  Authority check_host(const Request& request, const std::string& absolute_host) const;
  void check_origin(Request& request, const Authority& host) const;
  std::string forwarded_peer(const Request& request) const;

  EdgeLimits limits_;
  bool loopback_;
  bool tls_;
  bool trusted_proxy_;
  std::set<std::string> hosts_;    // lower case
  std::set<std::string> origins_;  // lower case
};

}  // namespace velocity::edge
