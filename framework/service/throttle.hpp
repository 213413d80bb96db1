// Counts failures by key and says when there were too many. Included by what must slow down a guesser.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "framework/model/error.hpp"

namespace velocity::service {

// Thread-safe. Forgets a key `window` after its first failure; bounded in memory: when full, the oldest go.
class Throttle {
 public:
  Throttle(int allowed, std::chrono::seconds window);
  std::chrono::seconds blocked(const std::string& key);  // for how long still: none, it may try
  void fail(const std::string& key);
  void forget(const std::string& key);

 private:
  struct Count {
    int failures = 0;
    std::chrono::steady_clock::time_point first{};
  };
  void sweep(std::chrono::steady_clock::time_point now);
  const int allowed_;
  const std::chrono::seconds window_;
  std::mutex mutex_;
  std::map<std::string, Count> counts_;
};

// Of passwords, each place on its own.
inline constexpr int kAllowedFailures = 10;
inline constexpr std::chrono::seconds kFailureWindow{60};
model::Error too_many_failures(std::chrono::seconds rest);  // auth_too_many with `retry_after`

}  // namespace velocity::service
