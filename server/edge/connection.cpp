#include "server/edge/connection.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <limits>

#include "framework/model/error.hpp"
#include "framework/model/uuid.hpp"
#include "server/edge/body_source.hpp"
#include "server/edge/content_routes.hpp"
#include "server/edge/upload_routes.hpp"

namespace velocity::edge {
namespace {

using model::Error;
using model::ErrorCode;

constexpr std::size_t kHeaderRead = 8 * 1024;
Error header_error(const error_code& ec) {
  if (ec == http::error::bad_version) return Error(ErrorCode::request_version, "HTTP/1.1 and HTTP/1.0 are spoken here");
  return Error(ErrorCode::request_malformed, "The request is not valid HTTP", ec.message());
}

}  // namespace

// One request and its answer.
struct Connection::Turn {
  RequestParser parser;
  std::size_t header_bytes = 0;
  Clock::time_point begun = Clock::now();
  Request request;
  Answer answer;
  bool refused = false;  // the rest of what the client sends is not understood: the connection ends
  bool gone = false;     // nobody is there to be answered
  bool body_read = false;
};

Connection::Connection(tcp::socket socket, net::ssl::context* tls, std::string peer, Shared& shared)
    : client_(std::move(socket), tls), peer_(std::move(peer)), shared_(shared) {}

awaitable<void> Connection::run() {
  error_code ec;
  client_.allow(shared_.settings.timeouts.header);
  co_await client_.stream.handshake(ec);
  if (ec) co_return;
  bool first = true;
  bool more = true;
  while (more && !draining_) {
    more = co_await serve_one(first);
    first = false;
  }
}

void Connection::sweep(Clock::time_point now) {
  if (client_.is_late(now)) client_.expire();
}

void Connection::drain() {
  draining_ = true;
  if (idle_) client_.stream.close();
}

void Connection::abort() {
  draining_ = true;
  client_.stream.close();
}

awaitable<bool> Connection::serve_one(bool first) {
  Turn turn;
  turn.request.id = fmt::format("{}.{}", id_, ++requests_);
  turn.request.peer = peer_;
  try {
    turn.gone = !co_await read_header(turn, first);
    if (!turn.gone) {
      turn.begun = Clock::now();
      shared_.vetting.check(turn.parser, turn.request);
      co_await handle(turn);
    }
  } catch (const Error& error) {
    turn.answer = problem_answer(error, turn.request.id);
    log_refusal(error, turn.request.id, turn.answer.status);
    turn.refused = !turn.body_read;
  } catch (const std::exception& error) {
    spdlog::error("{}: {}", turn.request.id, error.what());
    turn.answer = problem_answer(Error(ErrorCode::server_internal, "The server failed"), turn.request.id);
    turn.refused = !turn.body_read;
  }
  if (turn.gone) co_return false;
  if (client_.ahead.size() == 0 && client_.ahead.capacity() > 2 * kHeaderRead) client_.ahead.shrink_to_fit();  // a body's space is not kept
  co_return co_await send(turn);
}

// False: the client left, or had nothing to ask any more.
awaitable<bool> Connection::read_header(Turn& turn, bool first) {
  const auto& timeouts = shared_.settings.timeouts;
  // Our own count bounds the header; the parser bounds the request line and the fields apart from each other.
  turn.parser.header_limit(static_cast<std::uint32_t>(2 * shared_.settings.limits.header));
  turn.parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // none would refuse every Content-Length
  bool begun = first || client_.ahead.size() > 0;
  client_.allow(begun ? timeouts.header : timeouts.idle);
  while (!parse_header(turn)) {
    idle_ = client_.ahead.size() == 0 && !turn.parser.got_some();
    const bool arrived = co_await client_.read_ahead(kHeaderRead);
    const bool was_idle = std::exchange(idle_, false);
    if (client_.timed_out() && !was_idle) throw Error(ErrorCode::request_timeout, "The request's header did not arrive in time");
    if (!arrived) co_return false;
    if (!std::exchange(begun, true)) client_.allow(timeouts.header);
  }
  client_.allow_forever();
  co_return true;
}

// True once the header is there to its end.
bool Connection::parse_header(Turn& turn) {
  auto& ahead = client_.ahead;
  auto& parser = turn.parser;
  const auto& limits = shared_.settings.limits;
  const auto begins_with_line_end = [&ahead] {
    const auto* text = static_cast<const char*>(ahead.data().data());
    return ahead.size() >= 2 && text[0] == '\r' && text[1] == '\n';
  };
  while (!parser.got_some() && begins_with_line_end()) ahead.consume(2);  // RFC 9112, 2.2
  if (ahead.size() == 0) return false;
  error_code ec;
  const auto used = parser.put(ahead.data(), ec);
  ahead.consume(used);
  turn.header_bytes += used;
  const bool done = parser.is_header_done();
  if (turn.header_bytes > limits.header || (!done && turn.header_bytes + ahead.size() >= limits.header) ||
      ec == http::error::header_limit) {
    if (parser.get().target().empty())
      throw Error(ErrorCode::request_target_too_long, fmt::format("The address has more than {} bytes", limits.target));
    throw Error(ErrorCode::request_header_too_large, fmt::format("The header has more than {} bytes", limits.header));
  }
  if (ec && ec != http::error::need_more) throw header_error(ec);
  return done;
}

awaitable<void> Connection::handle(Turn& turn) {
  const auto& request = turn.request;
  IncomingBody body(client_, turn.parser, shared_.settings.timeouts.body, request.expects_continue);
  if (shared_.uploads && UploadRoutes::serves(request.path)) {
    turn.answer = co_await shared_.uploads->answer(request, body);
  } else if (shared_.contents && ContentRoutes::serves(request.path)) {
    turn.answer = co_await shared_.contents->answer(request, body);
  } else if (request.method == http::verb::options) {
    turn.answer = preflight_answer(request);
  } else {
    auto about = forwarded(request);
    auto text = co_await body.read_all(shared_.settings.limits.body);
    turn.body_read = body.complete();
    if (shared_.unsent > shared_.settings.limits.unsent) throw Error(ErrorCode::server_busy, "Too many answers wait for their readers");
    if (turn.body_read) turn.answer = co_await shared_.pool.call(request, std::move(about), std::move(text));
  }
  turn.body_read = body.complete();
  turn.gone = body.client_gone();
}

awaitable<bool> Connection::send(Turn& turn) {
  const auto& timeouts = shared_.settings.timeouts;
  const auto& request = turn.request;
  const bool keep_alive = request.keep_alive && turn.body_read && !turn.refused && !draining_;
  auto text = header_text(turn.answer, request, keep_alive, shared_.date.now());
  std::string_view body = turn.answer.body;
  if (!has_body(turn.answer.status) || request.method == http::verb::head) body = {};
  if (body.size() < kHeaderRead) {  // one small copy is cheaper than a gathered write, and one TLS record instead of two
    text.append(body);
    body = {};
  }
  auto bytes = text.size() + body.size();
  shared_.unsent += bytes;
  bool sent = co_await client_.write(text, body, timeouts.write);
  shared_.unsent -= bytes;
  if (sent && turn.answer.source && request.method != http::verb::head) {
    const auto streamed = co_await send_source(*turn.answer.source);
    sent = streamed == turn.answer.source->length();
    bytes += streamed;
  }
  turn.answer.source = nullptr;
  shared_.access_log.write(request, turn.answer.status, bytes, Clock::now() - turn.begun);
  client_.allow_forever();
  if (sent && !keep_alive) co_await client_.linger(timeouts.linger);
  co_return sent&& keep_alive;
}

// How much of it has left. When it is less than all, the connection must end: the client was told a length.
awaitable<std::uint64_t> Connection::send_source(BodySource& source) {
  std::uint64_t sent = 0;
  while (sent < source.length()) {
    client_.allow_forever();  // the disk may be slow; the client's time runs while it is written to
    const auto piece = co_await source.next();
    if (piece.empty()) break;
    const bool written = co_await client_.write(piece, {}, shared_.settings.timeouts.write);
    if (!written) break;
    sent += piece.size();
  }
  co_return sent;
}

}  // namespace velocity::edge
