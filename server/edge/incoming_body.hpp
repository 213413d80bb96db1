// A request's body on its way in, decoded from its framing. Included by whoever reads one.
#pragma once

#include <cstdint>
#include <string>

#include "server/edge/client.hpp"
#include "server/edge/vetting.hpp"

namespace velocity::edge {

// Used on the socket thread only.
class IncomingBody {
 public:
  IncomingBody(Client& client, RequestParser& parser, Clock::duration progress, bool expects_continue);

  // What is there, waiting for at least one byte; 0: the end of the body, or the client has gone, or interrupt() was called.
  // Errors: request_malformed for broken framing, request_timeout when nothing comes for too long.
  awaitable<std::size_t> read_some(net::mutable_buffer space);
  // The whole body. request_too_large beyond `limit`, before reading when the length was announced.
  awaitable<std::string> read_all(std::size_t limit);

  // Ends a waiting read_some(): the answer is known before the body's end.
  void interrupt();

  bool complete() const { return parser_.chunked() ? parser_.is_done() : left_ == 0; }
  bool client_gone() const { return gone_; }

 private:
  awaitable<std::size_t> read_plain(net::mutable_buffer space);
  awaitable<std::size_t> read_chunked(net::mutable_buffer space);
  awaitable<void> ask_for_it();
  void note_arrival(bool arrived);
  Client& client_;
  RequestParser& parser_;  // after the header it is needed for chunks only
  std::uint64_t left_;     // of a body that is not chunked
  Clock::duration progress_;
  bool expects_continue_;
  bool gone_ = false;
  bool interrupted_ = false;
};

}  // namespace velocity::edge
