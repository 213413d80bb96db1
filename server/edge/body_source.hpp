// An answer's body that is read piece by piece while it is sent. Made by whoever serves what does not fit into memory; read by the connection.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/edge/asio.hpp"

namespace velocity::edge {

// Used on the socket thread only.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual std::uint64_t length() const = 0;  // of the whole body; it never changes
  // The next piece, good until the next call. Empty before the length is reached: it cannot go on, and the connection must end.
  virtual awaitable<std::string_view> next() = 0;
};

}  // namespace velocity::edge
