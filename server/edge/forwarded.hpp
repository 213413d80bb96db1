// What the edge tells a worker of a request beside its path and its body. Included by the edge's forward pool, and by the REST room's backend.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace velocity::edge {

// One header carries all of it: Pistache copies each header several times, lowers its name and looks for a class of that name, and its parsers
// refuse legal values of those that it knows ("Accept: *" with a 415 of its own).
inline constexpr char kForwardedHeader[] = "X-Edge";

struct Forwarded {
  std::string number;  // the answer must echo it
  std::string id;      // of the request, for log and answer
  std::string peer;    // the client's address: "127.0.0.1"
  std::string content_type;
  std::string authorization;
  std::string idempotency_key;
  std::string query;  // as the client sent it, without the question mark: Pistache keeps one value of a key that is repeated
};

inline constexpr std::string Forwarded::*kForwardedFields[] = {
    &Forwarded::number,        &Forwarded::id,              &Forwarded::peer,  &Forwarded::content_type,
    &Forwarded::authorization, &Forwarded::idempotency_key, &Forwarded::query,
};
inline constexpr char kBetweenFields = '\t';

// A tab in a field becomes a space, as RFC 9110 (5.6.3) allows.
inline std::string header_value(const Forwarded& forwarded) {
  std::string text;
  text.reserve(256 + forwarded.query.size());
  for (const auto field : kForwardedFields) {
    for (const char c : forwarded.*field) text += c == kBetweenFields ? ' ' : c;
    text += kBetweenFields;
  }
  text.pop_back();
  return text;
}

// Fields that are missing are empty.
inline Forwarded read_forwarded(std::string_view header_value) {
  Forwarded forwarded;
  for (const auto field : kForwardedFields) {
    const auto end = std::min(header_value.find(kBetweenFields), header_value.size());
    forwarded.*field = header_value.substr(0, end);
    header_value.remove_prefix(std::min(end + 1, header_value.size()));
  }
  return forwarded;
}

}  // namespace velocity::edge
