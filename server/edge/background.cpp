#include "server/edge/background.hpp"

#include <boost/asio/executor_work_guard.hpp>

namespace velocity::edge {

struct Background::State {
  explicit State(net::io_context& io) : wake(io, Clock::time_point::max()) {}
  net::steady_timer wake;
  std::exception_ptr failure;
  bool done = false;
};

void Background::start(std::function<void()> work, std::function<void()> on_failure) {
  state_ = std::make_shared<State>(io_);
  // The guard keeps the socket thread's loop alive until the end of the work has been told.
  net::post(pool_,
            [state = state_, work = std::move(work), on_failure = std::move(on_failure), guard = net::make_work_guard(io_)]() mutable {
              try {
                work();
              } catch (...) {
                state->failure = std::current_exception();
              }
              work = nullptr;
              auto executor = guard.get_executor();
              net::post(executor, [state = std::move(state), on_failure = std::move(on_failure)] {
                state->done = true;
                if (state->failure && on_failure) on_failure();
                state->wake.cancel();
              });
            });
}

awaitable<void> Background::finished() {
  const auto state = std::exchange(state_, nullptr);
  if (!state) co_return;
  error_code ec;
  while (!state->done) co_await state->wake.async_wait(into(ec));
  if (state->failure) std::rethrow_exception(state->failure);
}

}  // namespace velocity::edge
