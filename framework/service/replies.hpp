// Requests that may come again: the answer to one with an Idempotency-Key is kept for a day, and a retry gets it instead of doing the thing
// twice (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/). Included by the guard, by the services that make things,
// and by the recovery.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "framework/model/json.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

// Thread-safe. Of each user the last 500 answers are kept, of at most 16 KiB; where there are more, refusals go first, then the oldest.
class Replies {
 public:
  static constexpr std::size_t kMost = 500;

  explicit Replies(Inventory& inventory);  // settles what was being answered when the server died

  // What was answered to this very request before; nothing: it is the first, its key is taken, and end() must follow.
  // request_key_reused for another request with this key; request_in_progress while the first is not answered.
  std::optional<model::Reply> begin(const model::Reply& request);
  // Keeps the answer; one that says nothing of the request itself (429, 5xx), or is too long, is not kept, so that a retry is done. Where the database fails, the
  // answer is kept in memory until expire() has written it down.
  void end(const model::Reply& answered);
  void expire();  // from time to time

 private:
  using Key = std::pair<model::Uid, std::string>;
  std::optional<model::Reply> unsaved(const model::Reply& pending) const;
  static void write(Change& change, const model::Reply& answered);
  void save_again();
  Inventory& inventory_;
  mutable std::mutex mutex_;
  std::map<Key, model::Reply> unsaved_;
};

// What tells one request from another. Nothing secret may be in the text: the hash is kept.
std::array<std::uint8_t, 32> fingerprint(std::string_view text);

// In the transaction that journals the making of a thing: which thing it is, so that after a crash the recovery finds out whether it was made.
// `answer` has the thing's `vmid` or `rid`; a snapshot's the `vmid`, its `name` and when it was `created`. Nothing when the caller gave no key.
void note_intent(Change& change, const Caller& caller, const model::Json& answer);
// In the transaction that is all of the making.
void note_result(Change& change, const Caller& caller, const model::Json& answer);

}  // namespace velocity::service
