// A request's target brought into its one canonical form. Included by the vetting.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace velocity::edge {

struct Target {
  std::string path;   // decoded, encoded again only where it must be, no slash at the end but for "/"
  std::string query;  // raw, with its question mark; empty: none
  std::string host;   // of an absolute target (RFC 9112, 3.2.2), which goes before the Host header
};

// Throws Error(request_malformed) for what is no origin or absolute form, and for a path with an empty, dot or NUL segment, a slash or a
// control character behind a percent sign, or more than `segments` segments.
Target normalise_target(std::string_view target, std::size_t segments);

}  // namespace velocity::edge
