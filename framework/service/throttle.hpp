// Counts failures by key and says when there were too many. Included by what must slow down a guesser.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

namespace velocity::service {

// Thread-safe. Forgets a key `window` after its first failure; bounded in memory: when full, the oldest go.
class Throttle {
 public:
  Throttle(int allowed, std::chrono::seconds window);
  bool blocked(const std::string& key);
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

}  // namespace velocity::service
