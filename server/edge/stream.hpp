// One client's bytes, plain or TLS. Included by the connection.
#pragma once

#include <optional>

#include "server/edge/asio.hpp"

namespace velocity::edge {

// Used on the socket thread only; one read and one write may run at a time.
class Stream {
 public:
  Stream(tcp::socket socket, net::ssl::context* tls);  // tls null: plain
  Stream(const Stream&) = delete;                      // the TLS half refers to the socket
  Stream& operator=(const Stream&) = delete;

  // Not coroutines: they hand Asio's own awaitable through, so that a read costs no further frame.
  awaitable<std::size_t> read_some(net::mutable_buffer buffer, error_code& ec);
  awaitable<std::size_t> swallow_some(net::mutable_buffer buffer, error_code& ec);  // what nobody will look at, deciphered or not
  awaitable<std::size_t> write_some(const std::array<net::const_buffer, 2>& buffers, error_code& ec);

  awaitable<void> handshake(error_code& ec);      // nothing when plain
  awaitable<void> shutdown_send(error_code& ec);  // the peer reads an end, what it still sends can be read
  void cancel();                                  // what is being read or written ends with operation_aborted
  void close();

 private:
  tcp::socket socket_;
  std::optional<net::ssl::stream<tcp::socket&>> tls_;
};

}  // namespace velocity::edge
