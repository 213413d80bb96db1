#include "server/edge/forward_pool.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace velocity::edge {
namespace {

using model::Error;
using model::ErrorCode;

constexpr std::size_t kReadSize = 64 * 1024;
constexpr std::uint32_t kAnswerHeader = 64 * 1024;
constexpr std::size_t kReaderSlots = 8;
constexpr std::size_t kLargestRead = 4 * 1024;  // of a body: to read more is work

// Fields that belong to one hop (RFC 9110, 7.6.1), and those that the edge writes itself.
bool stays_here(const http::fields::value_type& field) {
  switch (field.name()) {
    case http::field::connection:
    case http::field::keep_alive:
    case http::field::proxy_authenticate:
    case http::field::proxy_connection:
    case http::field::te:
    case http::field::trailer:
    case http::field::transfer_encoding:
    case http::field::upgrade:
    case http::field::content_length:
    case http::field::server:
    case http::field::date: return true;
    default: return beast::iequals(field.name_string(), kRequestNumberHeader) || beast::iequals(field.name_string(), "X-Request-Id");
  }
}

// The workers know these, and answer what a path does not offer with 405. A preflight is answered here, so that OPTIONS, which no path
// offers, can stand for every method that they do not know.
http::verb forwarded_method(http::verb method) {
  switch (method) {
    case http::verb::head: return http::verb::get;
    case http::verb::get:
    case http::verb::post:
    case http::verb::put:
    case http::verb::patch:
    case http::verb::delete_: return method;
    default: return http::verb::options;
  }
}

std::string header_text(const Request& request, const Forwarded& about, std::size_t body_size) {
  const auto method = http::to_string(forwarded_method(request.method));
  auto text = fmt::format("{} {} HTTP/1.1\r\nConnection: Keep-Alive\r\n{}: {}\r\n", std::string_view(method.data(), method.size()), request.path,
                          kForwardedHeader, header_value(about));
  if (body_size > 0) text += fmt::format("Content-Length: {}\r\n", body_size);
  return text += "\r\n";
}

}  // namespace

struct ForwardPool::Job {
  explicit Job(net::io_context& io) : wake(io) {}
  std::string header;
  std::string body;
  std::string number;
  Clock::time_point begun;
  net::steady_timer wake;  // a condition variable with a deadline
  bool started = false;
  bool done = false;
  bool abandoned = false;  // whoever waited has left
  bool sound = false;
  Answer answer;
};

struct ForwardPool::Slot {
  Slot(net::io_context& io, std::size_t worker_number, Lane& its_lane) : worker(worker_number), lane(its_lane), socket(io), wake(io) {}
  std::size_t worker;
  Lane& lane;
  net::local::stream_protocol::socket socket;
  net::steady_timer wake;
  std::shared_ptr<Job> job;
  beast::flat_buffer buffer;
  bool alarmed = false;
};

Forwarded forwarded(const Request& request) {
  Forwarded about;
  about.id = request.id;
  about.peer = request.peer;
  about.content_type = request.field(http::field::content_type);
  about.authorization = request.field(http::field::authorization);
  about.idempotency_key = request.field("Idempotency-Key");
  if (!request.query.empty()) about.query = request.query.substr(1);
  return about;
}

ForwardPool::ForwardPool(net::io_context& io, Backend& backend, const EdgeSettings& settings)
    : io_(io), backend_(backend), limits_(settings.limits), timeouts_(settings.timeouts) {
  const auto readers = backend_.readers();
  for (std::size_t turn = 0; turn < kReaderSlots; ++turn)
    for (std::size_t reader = 0; reader < readers; ++reader) open_slot(reads_, reader);
  for (std::size_t worker = readers; worker < backend_.workers(); ++worker) open_slot(work_, worker);
  for (auto& slot : slots_)
    net::co_spawn(io_, run(*slot), [worker = slot->worker](std::exception_ptr failure) {
      try {
        if (failure) std::rethrow_exception(failure);
      } catch (const std::exception& error) {
        spdlog::critical("The edge lost worker {} for good: {}", worker, error.what());
      }
    });
}

ForwardPool::~ForwardPool() = default;

void ForwardPool::open_slot(Lane& lane, std::size_t worker) {
  slots_.push_back(std::make_unique<Slot>(io_, worker, lane));
  slots_.back()->socket.assign(net::local::stream_protocol(), backend_.connect(worker));
}

awaitable<Answer> ForwardPool::call(const Request& request, Forwarded about, std::string body) {
  const bool from_memory =
      forwarded_method(request.method) == http::verb::get && body.size() <= kLargestRead && backend_.from_memory(request.path);
  auto& lane = from_memory ? reads_ : work_;
  if (stopping_ || (lane.idle.empty() && lane.queue.size() >= limits_.queue)) throw Error(ErrorCode::server_busy, "The server has too much to do");
  const auto job = std::make_shared<Job>(io_);
  job->number = std::to_string(++last_number_);
  about.number = job->number;
  job->header = header_text(request, about, body.size());
  job->body = std::move(body);
  job->begun = Clock::now();
  job->wake.expires_at(job->begun + timeouts_.handler);

  if (lane.idle.empty()) {
    lane.queue.push_back(job);
  } else {
    auto* slot = lane.idle.front();
    lane.idle.pop_front();
    slot->job = job;
    slot->wake.cancel();
  }
  error_code ec;
  while (!job->done) {
    co_await job->wake.async_wait(into(ec));
    if (!ec) break;  // the deadline; cancelled means done
  }
  if (!job->done) {
    job->abandoned = true;
    if (job->started) throw Error(ErrorCode::server_timeout, "The server took too long to answer");
    throw Error(ErrorCode::server_busy, "The server has too much to do");
  }
  if (!job->sound)
    throw Error(ErrorCode::server_internal, "The answer was lost",
                "the worker's answer to request number " + job->number + " was not sound");
  co_return std::move(job->answer);
}

awaitable<void> ForwardPool::run(Slot& slot) {
  while (true) {
    co_await next_job(slot);
    if (stopping_) co_return;
    const auto job = slot.job;
    job->started = true;
    if (slot.socket.is_open() && !is_quiet(slot)) {
      ++unsound_;
      spdlog::error("Worker {} sent bytes that nobody asked for, or hung up; its connection is replaced", slot.worker);
      reconnect(slot);
    }
    co_await ensure_connected(slot);
    if (!stopping_) job->sound = co_await exchange(slot, *job);
    job->done = true;
    job->wake.cancel();
    if (slot.alarmed)
      spdlog::warn("Worker {} answers again, after {} s", slot.worker, (Clock::now() - job->begun) / std::chrono::seconds(1));
    slot.alarmed = false;
    slot.job.reset();
    if (stopping_) co_return;
    if (!job->sound) {
      ++unsound_;
      reconnect(slot);
    }
  }
}

// Whatever has arrived before the request was sent, an end of the connection too, is not this request's answer.
bool ForwardPool::is_quiet(Slot& slot) {
  char byte = 0;
  return slot.buffer.size() == 0 && ::recv(slot.socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

awaitable<void> ForwardPool::next_job(Slot& slot) {
  auto& queue = slot.lane.queue;
  while (!queue.empty()) {
    auto job = std::move(queue.front());
    queue.pop_front();
    if (job->abandoned) continue;
    slot.job = std::move(job);
    co_return;
  }
  slot.lane.idle.push_back(&slot);
  slot.wake.expires_at(Clock::time_point::max());
  error_code ec;
  while (!slot.job && !stopping_) co_await slot.wake.async_wait(into(ec));
}

bool ForwardPool::reconnect(Slot& slot) {
  error_code ec;
  slot.socket.close(ec);
  slot.buffer.clear();
  try {
    slot.socket.assign(net::local::stream_protocol(), backend_.connect(slot.worker));
    return true;
  } catch (const std::exception& error) {
    spdlog::error("Worker {} cannot be reached: {}", slot.worker, error.what());
    return false;
  }
}

awaitable<void> ForwardPool::ensure_connected(Slot& slot) {
  while (!slot.socket.is_open() && !stopping_ && !reconnect(slot)) {
    slot.wake.expires_after(std::chrono::milliseconds(200));
    error_code ec;
    co_await slot.wake.async_wait(into(ec));
  }
}

awaitable<bool> ForwardPool::exchange(Slot& slot, Job& job) {
  error_code ec;
  const std::array<net::const_buffer, 2> request{net::buffer(job.header), net::buffer(job.body)};
  co_await net::async_write(slot.socket, request, into(ec));
  if (ec) co_return false;
  http::response_parser<http::string_body> parser;
  parser.header_limit(kAnswerHeader);
  parser.body_limit(limits_.answer);
  parser.eager(true);
  while (true) {
    if (slot.buffer.size() > 0) {
      slot.buffer.consume(parser.put(slot.buffer.data(), ec));
      if (parser.is_done()) break;
      if (ec && ec != http::error::need_more) co_return false;
    }
    if (slot.buffer.size() > limits_.answer) co_return false;
    const auto count = co_await slot.socket.async_read_some(slot.buffer.prepare(kReadSize), into(ec));
    if (ec) co_return false;
    slot.buffer.commit(count);
  }
  co_return accept(job, parser.release());
}

bool ForwardPool::accept(Job& job, http::response<http::string_body> response) {
  std::string_view echo(response[kRequestNumberHeader].data(), response[kRequestNumberHeader].size());
  constexpr std::string_view kInMemory = ";body";
  const bool in_memory = echo.size() > kInMemory.size() && echo.substr(echo.size() - kInMemory.size()) == kInMemory;
  if (in_memory) echo.remove_suffix(kInMemory.size());
  if (echo != job.number) {
    spdlog::error("A worker answered request number {} with \"{}\"; the answer is dropped and the connection replaced", job.number,
                  echo.substr(0, 40));
    return false;
  }
  job.answer.status = response.result_int();
  for (const auto& field : response)
    if (!stays_here(field)) job.answer.set(std::string(field.name_string()), std::string(field.value()));
  job.answer.body = in_memory ? backend_.take_body(job.number) : std::move(response.body());
  return job.answer.status >= 200;
}

void ForwardPool::watch(Clock::time_point now) {
  for (auto& slot : slots_) {
    if (!slot->job || slot->alarmed || now - slot->job->begun < timeouts_.alarm) continue;
    slot->alarmed = true;
    spdlog::error("Worker {} has not answered request number {} for {} s", slot->worker, slot->job->number,
                  (now - slot->job->begun) / std::chrono::seconds(1));
  }
}

void ForwardPool::stop() {
  stopping_ = true;
  for (auto& slot : slots_) {
    error_code ec;
    slot->socket.close(ec);
    slot->wake.cancel();
  }
  for (auto* lane : {&reads_, &work_}) {
    for (auto& job : lane->queue) {
      job->done = true;
      job->wake.cancel();
    }
    lane->queue.clear();
  }
}

}  // namespace velocity::edge
