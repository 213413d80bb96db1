#include "framework/libvirt/event_loop.hpp"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <mutex>

#include "framework/libvirt/broken_pipe.hpp"
#include "framework/libvirt/errors.hpp"

namespace velocity::libvirt {

namespace {

// A timeout that is always due: makes the loop come round at once.
int add_wakeup() {
  return virEventAddTimeout(
      0, [](int, void*) {}, nullptr, nullptr);
}

}  // namespace

std::shared_ptr<EventLoop> EventLoop::shared() {
  static std::mutex mutex;
  static std::weak_ptr<EventLoop> current;
  const std::lock_guard lock(mutex);
  if (auto loop = current.lock()) return loop;
  const std::shared_ptr<EventLoop> loop(new EventLoop);
  current = loop;
  return loop;
}

EventLoop::EventLoop() {
  static std::once_flag registered;
  std::call_once(registered, [] {
    // Errors reach us as return values; without this libvirt prints each of them to stderr too.
    virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) throw last_error("virEventRegisterDefaultImpl");
  });
  thread_ = std::thread([this] {
    block_broken_pipe_signal();
    while (!stopping_) virEventRunDefaultImpl();
  });
}

EventLoop::~EventLoop() {
  stopping_ = true;
  const int wakeup = add_wakeup();
  thread_.join();
  // What was removed from the loop is freed by its next rounds only.
  constexpr int kRounds = 8;
  for (int round = 0; round < kRounds; ++round) virEventRunDefaultImpl();
  virEventRemoveTimeout(wakeup);
}

}  // namespace velocity::libvirt
