#include "server/edge/listener.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "framework/model/uuid.hpp"

namespace velocity::edge {
namespace {

using namespace std::chrono_literals;

void log_failure(const char* whose, std::exception_ptr failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    spdlog::error("{} ended with: {}", whose, error.what());
  }
}

// Often enough for the shortest deadline, and seldom enough to cost nothing with ten thousand connections.
Clock::duration sweep_period(const EdgeTimeouts& timeouts) {
  const auto shortest = std::min({timeouts.header, timeouts.body, timeouts.idle, timeouts.write, timeouts.linger, timeouts.alarm});
  return std::clamp<Clock::duration>(shortest / 4, 5ms, 250ms);
}

}  // namespace

Listener::Listener(net::io_context& io, const tcp::endpoint& endpoint, net::ssl::context* tls, Shared& shared)
    : io_(io), tls_(tls), shared_(shared), acceptor_(io), tick_(io), pause_(io), period_(sweep_period(shared.settings.timeouts)) {
  acceptor_.open(endpoint.protocol());
  acceptor_.set_option(tcp::acceptor::reuse_address(true));
  acceptor_.bind(endpoint);
  acceptor_.listen(1024);
}

void Listener::start() {
  net::co_spawn(io_, accept(), [](std::exception_ptr failure) { log_failure("Accepting connections", failure); });
  net::co_spawn(io_, sweep(), [](std::exception_ptr failure) { log_failure("Watching deadlines", failure); });
}

awaitable<void> Listener::accept() {
  while (acceptor_.is_open()) {
    error_code ec;
    tcp::socket socket(io_);
    co_await acceptor_.async_accept(socket, into(ec));
    if (!acceptor_.is_open()) break;
    if (!ec) {
      admit(std::move(socket));
      continue;
    }
    // Out of file descriptors, most likely: trying again at once would only burn the processor.
    spdlog::warn("A connection could not be accepted: {}", ec.message());
    pause_.expires_after(50ms);
    co_await pause_.async_wait(into(ec));
  }
}

void Listener::admit(tcp::socket socket) {
  error_code ec;
  const auto peer = socket.remote_endpoint(ec);
  if (ec) return;
  if (connections_.size() >= shared_.settings.limits.connections) return turn_away(std::move(socket));
  socket.set_option(tcp::no_delay(true), ec);
  // An IPv4 client of an IPv6 socket is still an IPv4 client.
  auto address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) address = net::ip::make_address_v4(net::ip::v4_mapped, address.to_v6());
  auto connection = std::make_shared<Connection>(std::move(socket), tls_, address.to_string(), shared_);
  const auto place = connections_.insert(connections_.end(), connection);
  net::co_spawn(io_, connection->run(), [this, place, connection](std::exception_ptr failure) {
    log_failure("A connection", failure);
    connections_.erase(place);
  });
}

// Told so in one datagram's worth, without waiting for anything; a TLS client just sees the end.
void Listener::turn_away(tcp::socket socket) {
  if (tls_) return;
  Request request;
  request.id = model::Uuid::random().text();
  const auto answer = problem_answer(model::Error(model::ErrorCode::server_busy, "The server has too many connections"), request.id);
  const auto text = header_text(answer, request, false, shared_.date.now()) + answer.body;
  error_code ec;
  socket.non_blocking(true, ec);
  socket.write_some(net::buffer(text), ec);
  socket.shutdown(tcp::socket::shutdown_send, ec);
}

awaitable<void> Listener::sweep() {
  while (!stopped_) {
    error_code ec;
    tick_.expires_after(period_);
    co_await tick_.async_wait(into(ec));
    const auto now = Clock::now();
    for (auto& connection : connections_) connection->sweep(now);
    shared_.pool.watch(now);
  }
}

awaitable<void> Listener::drain() {
  error_code ec;
  acceptor_.close(ec);
  pause_.cancel();
  for (auto& connection : connections_) connection->drain();
  const auto end = Clock::now() + shared_.settings.timeouts.drain;
  net::steady_timer wait(io_);
  while (!connections_.empty() && Clock::now() < end) {
    wait.expires_after(10ms);
    co_await wait.async_wait(into(ec));
  }
  for (auto& connection : connections_) connection->abort();
  shared_.pool.stop();
  stopped_ = true;
  tick_.cancel();
}

}  // namespace velocity::edge
