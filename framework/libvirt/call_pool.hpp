// Runs calls that may hang, each under a deadline. Included by this room's connection only.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace velocity::libvirt {

// A bounded set of threads for calls into libvirt, which offers no way to give up on one. A call that outlives its deadline keeps its
// thread until it returns by itself ("stuck"). A call that finds every thread taken waits for one as long as calls end; when none has ended
// for the patience, or every thread is stuck, those that wait are refused, and new ones at once, until one ends: whoever calls has better to
// do than to wait for a hypervisor that hangs.
//
// Ownership: work must own what it uses (by value or shared_ptr), since it may outlive its caller and this pool.
// Threads: every function from any thread.
class CallPool {
 public:
  CallPool(std::size_t threads, std::chrono::milliseconds grace, std::chrono::milliseconds patience = std::chrono::seconds(10));
  ~CallPool();  // waits at most the grace for running calls, then leaves the stuck ones to themselves
  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;

  // Returns or throws what the work returns or throws. Otherwise Error: hypervisor_timeout at the deadline (the work may still take
  // effect), hypervisor_unavailable when no thread is to be had (the work was not done) or the pool is being cancelled.
  template <class Work>
  auto run(std::chrono::milliseconds deadline, Work work) -> std::invoke_result_t<Work> {
    using Result = std::invoke_result_t<Work>;
    if constexpr (std::is_void_v<Result>) {
      run_and_wait(deadline, std::move(work));
    } else {
      const auto slot = std::make_shared<std::optional<Result>>();
      run_and_wait(deadline, [slot, work = std::move(work)] { slot->emplace(work()); });
      return std::move(**slot);
    }
  }

  // Runs later, without anybody waiting; exceptions are dropped.
  void post(std::function<void()> work);

  // Ends all waiting, now and in future, with hypervisor_unavailable. Posted work still runs.
  void cancel();

 private:
  struct Call;
  struct Worker;
  struct Shared;
  void run_and_wait(std::chrono::milliseconds deadline, std::function<void()> work);
  static void enqueue(const std::shared_ptr<Shared>& shared, std::shared_ptr<Call> call);
  static void work_off(const std::shared_ptr<Shared>& shared, Worker& self);

  const std::chrono::milliseconds grace_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace velocity::libvirt
