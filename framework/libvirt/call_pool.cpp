#include "framework/libvirt/call_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <list>
#include <mutex>
#include <thread>

#include "framework/libvirt/broken_pipe.hpp"
#include "framework/model/error.hpp"

namespace velocity::libvirt {

using model::Error;
using model::ErrorCode;

struct CallPool::Call {
  std::function<void()> work;
  std::exception_ptr failure;
  std::condition_variable ended;
  bool started = false;
  bool finished = false;
  bool abandoned = false;  // nobody waits any more
};

struct CallPool::Worker {
  std::thread thread;
  bool finished = false;
};

// Shared with the threads, so that a stuck one can outlive the pool. The mutex guards everything, the calls' flags included.
struct CallPool::Shared {
  Shared(std::size_t threads, std::chrono::milliseconds how_patient) : limit(threads), patience(how_patient) {}

  bool full() const { return running == limit; }
  // Nothing moves any more: every thread has been at the same call for too long.
  bool hangs() const { return stuck >= limit || (full() && std::chrono::steady_clock::now() >= moved + patience); }

  const std::size_t limit;
  const std::chrono::milliseconds patience;
  std::mutex mutex;
  std::condition_variable wanted;  // there is work, or the pool closes
  std::condition_variable left;    // a thread ended
  std::deque<std::shared_ptr<Call>> queue;
  std::list<Worker> workers;
  std::size_t working = 0;
  std::size_t idle = 0;
  std::size_t running = 0;  // calls that were begun and have not ended
  std::size_t stuck = 0;    // those of them that nobody waits for any more
  std::chrono::steady_clock::time_point moved;  // when a call was last begun or ended
  bool cancelled = false;
  bool closing = false;
  std::deque<std::shared_ptr<Call>> waited_for;
};

CallPool::CallPool(std::size_t threads, std::chrono::milliseconds grace, std::chrono::milliseconds patience)
    : grace_(grace), shared_(std::make_shared<Shared>(threads, patience)) {}

CallPool::~CallPool() {
  cancel();
  std::unique_lock lock(shared_->mutex);
  shared_->closing = true;
  shared_->wanted.notify_all();
  shared_->left.wait_for(lock, grace_, [this] { return shared_->working == 0; });
  for (Worker& worker : shared_->workers) {
    // One that is stuck inside libvirt can never be joined.
    if (worker.finished) {
      worker.thread.join();
    } else {
      worker.thread.detach();
    }
  }
}

void CallPool::cancel() {
  const std::lock_guard lock(shared_->mutex);
  shared_->cancelled = true;
  for (const auto& call : shared_->waited_for) call->ended.notify_all();
}

void CallPool::post(std::function<void()> work) {
  auto call = std::make_shared<Call>();
  call->work = std::move(work);
  const std::lock_guard lock(shared_->mutex);
  enqueue(shared_, std::move(call));
}

void CallPool::enqueue(const std::shared_ptr<Shared>& shared, std::shared_ptr<Call> call) {
  shared->queue.push_back(std::move(call));
  if (shared->idle >= shared->queue.size() || shared->working == shared->limit) {
    shared->wanted.notify_one();
    return;
  }
  Worker& worker = shared->workers.emplace_back();
  ++shared->working;
  worker.thread = std::thread([shared, &worker] { work_off(shared, worker); });
}

void CallPool::run_and_wait(std::chrono::milliseconds deadline, std::function<void()> work) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  auto call = std::make_shared<Call>();
  call->work = std::move(work);

  const auto hangs = [] { return Error(ErrorCode::hypervisor_unavailable, "The hypervisor does not answer", "all threads for its calls are taken, and none comes back"); };
  std::unique_lock lock(shared_->mutex);
  if (shared_->hangs()) throw hangs();
  enqueue(shared_, call);
  shared_->waited_for.push_back(call);
  bool refused = false;
  while (!call->finished && !shared_->cancelled && !refused) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= until) break;
    refused = !call->started && shared_->hangs();
    if (refused) break;
    const auto next_look = shared_->full() ? shared_->moved + shared_->patience : now + shared_->patience;
    call->ended.wait_until(lock, call->started ? until : std::min(until, next_look));
  }
  std::erase(shared_->waited_for, call);
  if (call->finished) {
    lock.unlock();
    if (call->failure) std::rethrow_exception(call->failure);
    return;
  }
  call->abandoned = true;
  if (refused) throw hangs();
  if (call->started) ++shared_->stuck;
  if (shared_->cancelled) throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor's connection is being closed");
  throw Error(ErrorCode::hypervisor_timeout, "The hypervisor did not answer in time",
              call->started ? "the call may still take effect" : "the call was never made");
}

void CallPool::work_off(const std::shared_ptr<Shared>& shared, Worker& self) {
  block_broken_pipe_signal();
  std::unique_lock lock(shared->mutex);
  for (;;) {
    ++shared->idle;
    shared->wanted.wait(lock, [&] { return !shared->queue.empty() || shared->closing; });
    --shared->idle;
    if (shared->queue.empty()) break;
    const auto call = std::move(shared->queue.front());
    shared->queue.pop_front();
    if (!call->abandoned) {
      call->started = true;
      ++shared->running;
      shared->moved = std::chrono::steady_clock::now();
      lock.unlock();
      try {
        call->work();
      } catch (...) {
        call->failure = std::current_exception();
      }
      call->work = nullptr;  // here and not in the caller: what it owns may block when it goes
      lock.lock();
      --shared->running;
      shared->moved = std::chrono::steady_clock::now();
      if (call->abandoned) --shared->stuck;
      call->finished = true;
      call->ended.notify_all();
    } else {
      lock.unlock();
      call->work = nullptr;
      lock.lock();
    }
  }
  --shared->working;
  self.finished = true;
  shared->left.notify_all();
}

}  // namespace velocity::libvirt
