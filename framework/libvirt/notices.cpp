#include "framework/libvirt/notices.hpp"

#include <utility>

namespace velocity::libvirt {

void Notices::push(Notice notice) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(notice));
  arrived_.notify_one();
}

void Notices::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  arrived_.notify_one();
}

std::optional<Notice> Notices::wait_until(std::chrono::steady_clock::time_point when) {
  std::unique_lock lock(mutex_);
  arrived_.wait_until(lock, when, [this] { return stopped_ || !queue_.empty(); });
  if (stopped_ || queue_.empty()) return std::nullopt;
  Notice notice = std::move(queue_.front());
  queue_.pop_front();
  return notice;
}

bool Notices::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

}  // namespace velocity::libvirt
