// Where the edge hands plain requests on: workers that each hold one end of a socket pair and speak HTTP/1.1 on it.
// Implemented by the REST room; included by the edge's forward pool.
#pragma once

#include <cstddef>
#include <string>

namespace velocity::edge {

// The header in which a worker echoes the number of the request that it answers. An answer whose body passes in memory has ";body" behind
// the number.
inline constexpr char kRequestNumberHeader[] = "X-Edge-Number";

// Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::size_t workers() const = 0;
  // The edge's end of a fresh connection to one worker: a non-blocking, close-on-exec Unix stream socket. Throws when it cannot be made.
  virtual int connect(std::size_t worker) = 0;
  // An answer's body that was too large for the socket, by request number. Taken once.
  virtual std::string take_body(const std::string& number) = 0;
};

}  // namespace velocity::edge
