#include "framework/service/passwords.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

#include "framework/model/error.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

constexpr int kSeats = 2;
constexpr int kQueue = 2;  // see power.cpp for how the workers are shared out

}  // namespace

// One of the two places at the work, for as long as it lives.
class Passwords::Seat {
 public:
  explicit Seat(Passwords& passwords) : passwords_(passwords) {
    std::unique_lock lock(passwords_.mutex_);
    if (passwords_.waiting_ >= kQueue) throw Error(ErrorCode::auth_too_many, "Too many sign in at once. Try again in 5 seconds");
    ++passwords_.waiting_;
    passwords_.freed_.wait(lock, [this] { return passwords_.working_ < kSeats; });
    --passwords_.waiting_;
    ++passwords_.working_;
  }
  ~Seat() {
    {
      const std::lock_guard lock(passwords_.mutex_);
      --passwords_.working_;
    }
    passwords_.freed_.notify_one();
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

 private:
  Passwords& passwords_;
};

bool is_too_short(const std::string& password) {
  const auto characters = std::count_if(password.begin(), password.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
  return static_cast<std::size_t>(characters) < kLeastPassword;
}

Passwords::Passwords(PasswordCost cost) : cost_(cost) {
  if (sodium_init() < 0) throw Error(ErrorCode::server_internal, "libsodium cannot start");
  // No password has this hash, and checking one against it costs what any check costs. Salt and hash are 16 and 32 bytes of zero.
  nobody_ = fmt::format("$argon2id$v=19$m={},t={},p=1${:A<22}${:A<43}", cost_.memory / 1024, cost_.operations, "", "");
}

std::string Passwords::hash(const std::string& password) {
  const Seat seat(*this);
  std::string text(crypto_pwhash_STRBYTES, '\0');
  if (crypto_pwhash_str_alg(text.data(), password.data(), password.size(), cost_.operations, cost_.memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
    throw Error(ErrorCode::server_busy, "There is not enough memory to hash a password now", "crypto_pwhash_str");
  text.resize(text.find('\0'));
  return text;
}

bool Passwords::matches(const std::string& hash, const std::string& password) {
  const Seat seat(*this);
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

bool Passwords::matches_nobody(const std::string& password) {
  matches(nobody_, password);
  return false;
}

}  // namespace velocity::service
