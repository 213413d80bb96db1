// Signing in and out: passwords → authkeys → callers. Included by the guard and by the routes of /u/auth.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/passwords.hpp"
#include "framework/service/throttle.hpp"

namespace velocity::service {

struct Session {
  std::string authkey;       // shown this once; only its hash is kept
  std::int64_t expires = 0;  // Unix seconds
};

// Thread-safe. caller() reads memory only.
class Sessions {
 public:
  Sessions(Inventory& inventory, Passwords& passwords, std::int64_t lifetime_seconds);

  // auth_failed, the same in time and text for an unknown user and a wrong password; auth_too_many after repeated failures
  // of one name from one peer, or when too many sign in at once.
  Session sign_in(const std::string& username, const std::string& password, const std::string& peer);
  Session renew(std::string_view authkey);    // the old key is dead at once; auth_refused
  void sign_out(std::string_view authkey);    // an unknown key is fine
  Caller caller(std::string_view authkey) const;  // auth_required when empty; auth_expired when unknown or too old

 private:
  Session issue(class Change& change, model::Uid uid) const;
  Inventory& inventory_;
  Passwords& passwords_;
  std::int64_t lifetime_;
  Throttle failures_;
};

}  // namespace velocity::service
