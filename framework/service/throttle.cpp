#include "framework/service/throttle.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace velocity::service {
namespace {

constexpr std::size_t kMostKeys = 10'000;

}  // namespace

Throttle::Throttle(int allowed, std::chrono::seconds window) : allowed_(allowed), window_(window) {}

std::chrono::seconds Throttle::blocked(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(key);
  if (found == counts_.end()) return {};
  const auto rest = found->second.first + window_ - std::chrono::steady_clock::now();
  if (rest.count() < 0) {
    counts_.erase(found);
    return {};
  }
  if (found->second.failures < allowed_) return {};
  return std::chrono::floor<std::chrono::seconds>(rest) + std::chrono::seconds(1);
}

void Throttle::fail(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (counts_.size() >= kMostKeys) sweep(now);
  auto& count = counts_[key];
  if (count.failures == 0 || now - count.first > window_) count = {0, now};
  ++count.failures;
}

void Throttle::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  counts_.erase(key);
}

void Throttle::sweep(std::chrono::steady_clock::time_point now) {
  std::erase_if(counts_, [&](const auto& entry) { return now - entry.second.first > window_; });
  if (counts_.size() < kMostKeys) return;
  counts_.erase(std::min_element(counts_.begin(), counts_.end(), [](const auto& a, const auto& b) { return a.second.first < b.second.first; }));
}

model::Error too_many_failures(std::chrono::seconds rest) {
  return model::Error(model::ErrorCode::auth_too_many, fmt::format("Too many failed attempts. Try again in {} seconds", rest.count()))
      .with("retry_after", std::to_string(rest.count()));
}

}  // namespace velocity::service
