#include "server/edge/client.hpp"

#include <algorithm>

namespace velocity::edge {
namespace {

constexpr std::size_t kSwallow = 16 * 1024;

}  // namespace

void Client::expire() {
  timed_out_ = true;
  allow_forever();
  // A late reader can still be told so; whoever does not take its answer cannot.
  if (reading_) {
    stream.cancel();
  } else {
    stream.close();
  }
}

void Client::interrupt() {
  if (reading_) stream.cancel();
}

awaitable<bool> Client::read_ahead(std::size_t most) {
  const auto room = std::min(most, ahead.max_size() - ahead.size());
  if (room == 0) co_return false;
  error_code ec;
  reading_ = true;
  const auto count = co_await stream.read_some(ahead.prepare(room), ec);
  reading_ = false;
  ahead.commit(count);
  co_return !ec;
}

awaitable<std::size_t> Client::read_some(net::mutable_buffer space) {
  error_code ec;
  reading_ = true;
  const auto count = co_await stream.read_some(space, ec);
  reading_ = false;
  co_return count;
}

awaitable<bool> Client::write(std::string_view first, std::string_view second, Clock::duration progress) {
  std::array<net::const_buffer, 2> rest{net::buffer(first.data(), first.size()), net::buffer(second.data(), second.size())};
  error_code ec;
  while (net::buffer_size(rest) > 0) {
    allow(progress);
    auto sent = co_await stream.write_some(rest, ec);
    if (ec) co_return false;
    for (auto& piece : rest) {
      const auto part = std::min(sent, piece.size());
      piece += part;
      sent -= part;
    }
  }
  co_return true;
}

awaitable<void> Client::linger(Clock::duration time) {
  allow(time);
  error_code ec;
  co_await stream.shutdown_send(ec);
  while (!ec) {
    ahead.clear();
    co_await stream.swallow_some(ahead.prepare(kSwallow), ec);
  }
}

}  // namespace velocity::edge
