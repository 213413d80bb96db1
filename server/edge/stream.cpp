#include "server/edge/stream.hpp"

namespace velocity::edge {

Stream::Stream(tcp::socket socket, net::ssl::context* tls) : socket_(std::move(socket)) {
  if (tls) tls_.emplace(socket_, *tls);
}

awaitable<std::size_t> Stream::read_some(net::mutable_buffer buffer, error_code& ec) {
  return tls_ ? tls_->async_read_some(buffer, into(ec)) : socket_.async_read_some(buffer, into(ec));
}

awaitable<std::size_t> Stream::swallow_some(net::mutable_buffer buffer, error_code& ec) { return socket_.async_read_some(buffer, into(ec)); }

awaitable<std::size_t> Stream::write_some(const std::array<net::const_buffer, 2>& buffers, error_code& ec) {
  return tls_ ? tls_->async_write_some(buffers, into(ec)) : socket_.async_write_some(buffers, into(ec));
}

awaitable<void> Stream::handshake(error_code& ec) {
  ec = {};
  if (tls_) co_await tls_->async_handshake(net::ssl::stream_base::server, into(ec));
}

awaitable<void> Stream::shutdown_send(error_code& ec) {
  ec = {};
  // For TLS this sends the close_notify and waits for the peer's; whoever calls has set a deadline. A peer that still sends makes it
  // fail, which matters to nobody: what comes after is read from the socket and thrown away.
  error_code ignored;
  if (tls_) co_await tls_->async_shutdown(into(ignored));
  socket_.shutdown(tcp::socket::shutdown_send, ec);
}

void Stream::cancel() {
  error_code ignored;
  socket_.cancel(ignored);
}

void Stream::close() {
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace velocity::edge
