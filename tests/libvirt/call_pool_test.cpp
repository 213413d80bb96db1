#include "framework/libvirt/call_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

using model::ErrorCode;

// Holds calls until it is opened.
struct Gate {
  std::promise<void> promise;
  std::shared_future<void> opened = promise.get_future().share();
};

TEST(CallPool, ReturnsWhatTheWorkReturns) {
  CallPool pool(2, 2s);
  EXPECT_EQ(pool.run(1s, [] { return 42; }), 42);
}

TEST(CallPool, ThrowsWhatTheWorkThrows) {
  CallPool pool(2, 2s);
  EXPECT_THROW(pool.run(1s, [] { throw std::out_of_range("x"); }), std::out_of_range);
}

TEST(CallPool, EndsTheWaitingAtTheDeadline) {
  CallPool pool(2, 2s);
  Gate gate;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of([&] { pool.run(50ms, [opened = gate.opened] { opened.wait(); }); }), ErrorCode::hypervisor_timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  gate.promise.set_value();
}

TEST(CallPool, RefusesAtOnceWhenEveryThreadIsStuckAndRecoversWhenOneReturns) {
  CallPool pool(2, 2s);
  Gate gate;
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(code_of([&] { pool.run(20ms, [opened = gate.opened] { opened.wait(); }); }), ErrorCode::hypervisor_timeout);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of([&] { pool.run(10s, [] {}); }), ErrorCode::hypervisor_unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  gate.promise.set_value();
  EXPECT_TRUE(eventually(5s, [&] { return code_of([&] { pool.run(1s, [] {}); }) == ErrorCode::server_internal; }));
}

TEST(CallPool, LetsCallsWaitForAThreadThatIsOnlyBusy) {
  CallPool pool(1, 2s);
  Gate gate;
  auto first = std::async(std::launch::async, [&] { pool.run(10s, [opened = gate.opened] { opened.wait(); }); });
  auto second = std::async(std::launch::async, [&] { return pool.run(10s, [] { return 7; }); });
  gate.promise.set_value();
  EXPECT_EQ(second.get(), 7);
  first.get();
}

TEST(CallPool, NeverMakesACallThatNobodyWaitsForAnyMore) {
  CallPool pool(1, 2s);
  Gate gate;
  const auto made = std::make_shared<std::atomic<bool>>(false);
  auto first = std::async(std::launch::async, [&] { pool.run(10s, [opened = gate.opened] { opened.wait(); }); });
  EXPECT_EQ(code_of([&] {
              for (;;) pool.run(50ms, [made] { *made = true; });
            }),
            ErrorCode::hypervisor_timeout);
  *made = false;
  gate.promise.set_value();
  first.get();
  pool.run(10s, [] {});
  EXPECT_FALSE(*made);
}

TEST(CallPool, NobodyWaitsLongForThreadsOfWhichNoneComesBack) {
  CallPool pool(2, 2s, 100ms);
  Gate gate;
  std::vector<std::future<void>> hanging;
  for (int i = 0; i < 2; ++i) hanging.push_back(std::async(std::launch::async, [&] { pool.run(60s, [opened = gate.opened] { opened.wait(); }); }));
  EXPECT_TRUE(eventually(5s, [&] { return code_of([&] { pool.run(60s, [] {}); }) == ErrorCode::hypervisor_unavailable; }));
  std::vector<std::future<ErrorCode>> more;
  for (int i = 0; i < 50; ++i)
    more.push_back(std::async(std::launch::async, [&] { return code_of([&] { pool.run(60s, [] { FAIL() << "it was refused"; }); }); }));
  for (auto& call : more) EXPECT_EQ(call.get(), ErrorCode::hypervisor_unavailable);
  gate.promise.set_value();
  for (auto& call : hanging) call.get();
  EXPECT_EQ(pool.run(60s, [] { return 7; }), 7) << "once it answers again";
}

TEST(CallPool, AThreadThatIsLongAtWorkAloneKeepsNobodyFromTheOthers) {
  CallPool pool(2, 2s, 20ms);
  Gate gate;
  auto slow = std::async(std::launch::async, [&] { pool.run(60s, [opened = gate.opened] { opened.wait(); }); });
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(pool.run(60s, [] { return 7; }), 7);
    std::this_thread::sleep_for(5ms);
  }
  gate.promise.set_value();
  slow.get();
}

TEST(CallPool, CancellingEndsAllWaiting) {
  CallPool pool(1, 2s);
  Gate gate;
  auto waiting = std::async(std::launch::async, [&] { return code_of([&] { pool.run(60s, [opened = gate.opened] { opened.wait(); }); }); });
  std::this_thread::sleep_for(20ms);
  pool.cancel();
  EXPECT_EQ(waiting.get(), ErrorCode::hypervisor_unavailable);
  gate.promise.set_value();
}

}  // namespace
}  // namespace velocity::libvirt
