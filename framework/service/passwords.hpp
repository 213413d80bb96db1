// Argon2id, at most two at once. Included by the services that sign in or set a password.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

namespace velocity::service {

inline constexpr std::size_t kLeastPassword = 8;  // characters
bool is_too_short(const std::string& password);   // for a new one

struct PasswordCost {
  unsigned long long operations = 2;
  std::size_t memory = 64U << 20;  // bytes
};

// Thread-safe. Blocks for about 100 ms with the default cost. When more than a few wait already: Error(auth_too_many).
class Passwords {
 public:
  explicit Passwords(PasswordCost cost = {});
  std::string hash(const std::string& password);
  bool matches(const std::string& hash, const std::string& password);
  bool matches_nobody(const std::string& password);  // the same work, for an unknown user; always false

 private:
  class Seat;
  PasswordCost cost_;
  std::string nobody_;
  std::mutex mutex_;
  std::condition_variable freed_;
  int working_ = 0;
  int waiting_ = 0;
};

}  // namespace velocity::service
