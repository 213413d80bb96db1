// One client's end: its stream, what has been read ahead, and until when it may take. Included by the connection and the body reader.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "server/edge/asio.hpp"
#include "server/edge/stream.hpp"

namespace velocity::edge {

// Used on the socket thread only. There is no timer for each wait: the listener's sweep calls expire() on whoever is over its deadline.
class Client {
 public:
  static constexpr std::size_t kReadAhead = 256 * 1024;

  Client(tcp::socket socket, net::ssl::context* tls) : stream(std::move(socket), tls), ahead(kReadAhead) {}

  Stream stream;
  beast::flat_buffer ahead;  // read, not yet used

  void allow(Clock::duration time) { deadline_ = Clock::now() + time; }
  void allow_forever() { deadline_ = Clock::time_point::max(); }
  bool is_late(Clock::time_point now) const { return deadline_ < now; }
  void expire();
  bool timed_out() const { return timed_out_; }
  void interrupt();  // ends a waiting read

  // Reads ahead once. False: the client has left or is late, or the space is used up.
  awaitable<bool> read_ahead(std::size_t most);
  // Reads once, past what has been read ahead. 0: the client has left or is late.
  awaitable<std::size_t> read_some(net::mutable_buffer space);
  // Each piece must leave within `progress`. False: the client has left.
  awaitable<bool> write(std::string_view first, std::string_view second, Clock::duration progress);
  // Ends the sending side and swallows what still comes for a while: closing at once could reset away the answer that was just sent.
  awaitable<void> linger(Clock::duration time);

 private:
  Clock::time_point deadline_ = Clock::time_point::max();
  bool reading_ = false;
  bool timed_out_ = false;
};

}  // namespace velocity::edge
