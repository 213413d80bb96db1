#include "framework/service/sessions.hpp"

#include <sodium.h>

#include <ctime>

#include "framework/model/error.hpp"
#include "framework/service/replies.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMostKeyText = 128;

std::string new_key() {
  std::array<unsigned char, kKeyBytes> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::string text(sodium_base64_ENCODED_LEN(kKeyBytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  text.resize(text.find('\0'));
  return text;
}

model::AuthkeyHash hash_of(std::string_view authkey) { return fingerprint(authkey); }

std::int64_t now() { return static_cast<std::int64_t>(std::time(nullptr)); }

}  // namespace

Sessions::Sessions(Inventory& inventory, Passwords& passwords, std::int64_t lifetime_seconds)
    : inventory_(inventory), passwords_(passwords), lifetime_(lifetime_seconds), failures_(kAllowedFailures, kFailureWindow) {}

Session Sessions::issue(Change& change, model::Uid uid) const {
  // Expired keys of the same user go with the next one, so that they do not pile up.
  std::vector<model::AuthkeyHash> expired;
  change.picture().authkeys.visit_all([&](const auto& hash, const auto& key) {
    if (key->uid == uid && key->expires <= now()) expired.push_back(hash);
  });
  for (const auto& hash : expired) change.erase(hash);
  Session session{new_key(), now() + lifetime_};
  change.put(model::Authkey{hash_of(session.authkey), uid, session.expires});
  return session;
}

Session Sessions::sign_in(const std::string& username, const std::string& password, const std::string& peer) {
  const auto who = peer + ' ' + username;
  if (const auto rest = failures_.blocked(who); rest.count() > 0) throw too_many_failures(rest);
  const auto picture = inventory_.picture();
  const auto uid = picture->user_names.find(username);
  const auto user = uid ? picture->users.find(*uid) : nullptr;
  const bool right = user ? passwords_.matches(user->password_hash, password) : passwords_.matches_nobody(password);
  if (!right) {
    failures_.fail(who);
    throw Error(ErrorCode::auth_failed, "The user name or the password is wrong");
  }
  failures_.forget(who);
  Session session;
  inventory_.change([&](Change& change) {
    // The password may have been changed, or the user removed, while it was being checked.
    const auto current = change.picture().users.find(user->uid);
    if (!current || current->password_hash != user->password_hash) throw Error(ErrorCode::auth_failed, "The user name or the password is wrong");
    session = issue(change, user->uid);
  });
  return session;
}

Session Sessions::renew(std::string_view authkey) {
  Session session;
  inventory_.change([&](Change& change) {
    const auto hash = hash_of(authkey);
    const auto key = change.picture().authkeys.find(hash);
    if (!key || key->expires <= now()) throw Error(ErrorCode::auth_refused, "The authkey is unknown or has expired. Sign in again");
    change.erase(hash);
    session = issue(change, key->uid);
  });
  return session;
}

void Sessions::sign_out(std::string_view authkey) {
  const auto hash = hash_of(authkey);
  if (!inventory_.picture()->authkeys.find(hash)) return;
  inventory_.change([&hash](Change& change) { change.erase(hash); });
}

Caller Sessions::caller(std::string_view authkey) const {
  if (authkey.empty()) throw Error(ErrorCode::auth_required, "An authkey is needed. Get one with POST /u/auth");
  const auto picture = inventory_.picture();
  const auto key = authkey.size() <= kMostKeyText ? picture->authkeys.find(hash_of(authkey)) : nullptr;
  if (!key || key->expires <= now()) throw Error(ErrorCode::auth_expired, "The authkey is unknown or has expired. Sign in again with POST /u/auth");
  return Caller(picture->users.find(key->uid), key->hash);
}

}  // namespace velocity::service
