#include "server/edge/incoming_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "framework/model/error.hpp"

namespace velocity::edge {

using model::Error;
using model::ErrorCode;

namespace {

constexpr std::size_t kChunkHeader = 16 * 1024;

}  // namespace

IncomingBody::IncomingBody(Client& client, RequestParser& parser, Clock::duration progress, bool expects_continue)
    : client_(client), parser_(parser), left_(parser.content_length().value_or(0)), progress_(progress), expects_continue_(expects_continue) {
  parser_.eager(true);
}

awaitable<std::size_t> IncomingBody::read_some(net::mutable_buffer space) {
  return parser_.chunked() ? read_chunked(space) : read_plain(space);
}

// Into the reader's own space: an image is not copied from one place to another on its way.
awaitable<std::size_t> IncomingBody::read_plain(net::mutable_buffer space) {
  const auto wanted = net::buffer(space, static_cast<std::size_t>(std::min<std::uint64_t>(space.size(), left_)));
  if (wanted.size() == 0 || gone_ || interrupted_) co_return 0;
  auto count = net::buffer_copy(wanted, client_.ahead.data());
  client_.ahead.consume(count);
  if (count == 0) {
    co_await ask_for_it();
    if (gone_) co_return 0;
    client_.allow(progress_);
    count = co_await client_.read_some(wanted);
    note_arrival(count > 0);
  }
  left_ -= count;
  co_return count;
}

awaitable<std::size_t> IncomingBody::read_chunked(net::mutable_buffer space) {
  auto& target = parser_.get().body();
  target.data = space.data();
  target.size = space.size();
  while (!parser_.is_done() && target.size == space.size() && !gone_ && !interrupted_) {
    if (client_.ahead.size() > 0) {
      error_code ec;
      client_.ahead.consume(parser_.put(client_.ahead.data(), ec));
      if (ec && ec != http::error::need_more && ec != http::error::need_buffer)
        throw Error(ErrorCode::request_malformed, "The request's body is not framed as its header says");
      if (parser_.is_done() || target.size < space.size()) break;
      // What the parser leaves while there is space for a body is the header of a chunk, or trailers.
      if (client_.ahead.size() >= kChunkHeader) throw Error(ErrorCode::request_malformed, "A chunk's header is too long");
    }
    co_await ask_for_it();
    if (gone_) break;
    client_.allow(progress_);
    const bool arrived = co_await client_.read_ahead(space.size());
    note_arrival(arrived);
  }
  co_return space.size() - target.size;
}

// What a client that waits for a word before it sends its body is told.
awaitable<void> IncomingBody::ask_for_it() {
  if (!std::exchange(expects_continue_, false) || client_.ahead.size() > 0) co_return;
  const bool sent = co_await client_.write("HTTP/1.1 100 Continue\r\n\r\n", {}, progress_);
  gone_ = !sent;
}

void IncomingBody::note_arrival(bool arrived) {
  client_.allow_forever();
  if (client_.timed_out()) throw Error(ErrorCode::request_timeout, "The request's body did not arrive in time");
  gone_ = !arrived && !interrupted_;
}

void IncomingBody::interrupt() {
  interrupted_ = true;
  client_.interrupt();
}

awaitable<std::string> IncomingBody::read_all(std::size_t limit) {
  const auto too_large = [limit] { return Error(ErrorCode::request_too_large, fmt::format("The body has more than {} bytes", limit)); };
  if (parser_.content_length() && *parser_.content_length() > limit) throw too_large();
  constexpr std::size_t kStep = 16 * 1024;
  std::string body;
  const auto until = Clock::now() + 2 * progress_;  // a byte now and then does not hold a connection for ever
  while (!complete() && !gone_) {
    if (Clock::now() > until) throw Error(ErrorCode::request_timeout, "The request's body did not arrive in time");
    const auto size = body.size();
    // One byte beyond the limit is enough to know.
    const auto step = std::min(std::max<std::size_t>(kStep, size), limit + 1 - size);
    body.resize(size + step);
    const auto count = co_await read_some(net::buffer(body.data() + size, step));
    body.resize(size + count);
    if (body.size() > limit) throw too_large();
  }
  co_return body;
}

}  // namespace velocity::edge
