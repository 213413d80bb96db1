// Where the edge hands plain requests on: workers that each hold one end of a socket pair and speak HTTP/1.1 on it.
// Implemented by the REST room; included by the edge's forward pool.
#pragma once

#include <cstddef>
#include <string>

namespace velocity::edge {

// The header in which the edge numbers a request and the worker echoes it. An answer whose body passes in memory has ";body" behind the
// number.
inline constexpr char kRequestNumberHeader[] = "X-Edge-Number";
// Further headers that the edge sets on a forwarded request: the request id for log and answer, the peer's address ("127.0.0.1"),
// and the client's own Content-Type and Accept under other names: Pistache's parsers refuse some that are legal ("Accept: *" with a 415 of
// its own).
inline constexpr char kRequestIdHeader[] = "X-Edge-Request-Id";
inline constexpr char kPeerHeader[] = "X-Edge-Peer";
inline constexpr char kContentTypeHeader[] = "X-Edge-Content-Type";
// The query as the client sent it, without the question mark: Pistache keeps one value of a key that is repeated.
inline constexpr char kQueryHeader[] = "X-Edge-Query";
inline constexpr char kAcceptHeader[] = "X-Edge-Accept";

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
