// What libvirt's event loop has to say, on its way to the thread that may act on it. Included by this room's sessions and connection.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "framework/model/uuid.hpp"

namespace velocity::libvirt {

struct Notice {
  enum class Kind { lifecycle, lost, devices };
  Kind kind = Kind::lifecycle;
  model::MachineId id;  // lifecycle
  int event = 0;        // virDomainEventType
  int detail = 0;
  std::string why;  // lost
};

// A queue from callbacks, which must not block, to one reader. One for each session, so what an old session still says is heard by nobody.
class Notices {
 public:
  void push(Notice notice);
  void stop();  // wakes the reader for good

  std::optional<Notice> wait_until(std::chrono::steady_clock::time_point when);  // nothing: `when` has come, or stop() was called
  bool stopped() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Notice> queue_;
  bool stopped_ = false;
};

}  // namespace velocity::libvirt
