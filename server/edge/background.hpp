// Blocking work, done on a pool of threads and awaited on the socket thread. Included by the uploads.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "server/edge/asio.hpp"

namespace velocity::edge {

// One piece of work at a time. Used on the socket thread only; the work itself runs on the pool. Whoever starts work must await its end
// before what it uses goes away.
class Background {
 public:
  Background(net::io_context& io, net::thread_pool& pool) : io_(io), pool_(pool) {}

  // on_failure is called on the socket thread, before anybody has awaited the end.
  void start(std::function<void()> work, std::function<void()> on_failure = {});
  awaitable<void> finished();  // throws what the work threw; at once when none was started

 private:
  struct State;
  net::io_context& io_;
  net::thread_pool& pool_;
  std::shared_ptr<State> state_;
};

// Runs `work` on the pool and hands back what it returns or throws.
template <class Work>
awaitable<std::invoke_result_t<Work>> offload(net::io_context& io, net::thread_pool& pool, Work work) {
  using Result = std::invoke_result_t<Work>;
  Background background(io, pool);
  if constexpr (std::is_void_v<Result>) {
    background.start([&work] { work(); });
    co_await background.finished();
  } else {
    std::optional<Result> result;
    background.start([&work, &result] { result.emplace(work()); });
    co_await background.finished();
    co_return std::move(*result);
  }
}

}  // namespace velocity::edge
