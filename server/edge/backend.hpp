// Where the edge hands plain requests on: workers that each hold one end of a socket pair and speak HTTP/1.1 on it.
// Implemented by the REST room; included by the edge's forward pool.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace velocity::edge {

// The header in which a worker echoes the number of the request that it answers. An answer whose body passes in memory has ";body" behind
// the number.
inline constexpr char kRequestNumberHeader[] = "X-Edge-Number";

// Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;
  // Workers 0 to readers() - 1 answer only what from_memory() says, each over many connections; the others one request at a time, for as
  // long as it takes. So what is read from memory never waits behind what is slow, and wakes no thread of its own for each request.
  virtual std::size_t readers() const = 0;
  virtual std::size_t workers() const = 0;  // the readers among them
  // Whether a GET of this path is answered from memory. Called once for each request.
  virtual bool from_memory(std::string_view path) const = 0;
  // The edge's end of a fresh connection to one worker: a non-blocking, close-on-exec Unix stream socket. Throws when it cannot be made.
  virtual int connect(std::size_t worker) = 0;
  // An answer's body that was too large for the socket, by request number. Taken once.
  virtual std::string take_body(const std::string& number) = 0;
};

}  // namespace velocity::edge
