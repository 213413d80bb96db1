#include "framework/service/replies.hpp"

#include <sodium.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "framework/model/error.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Json;

constexpr int kPending = 0;
constexpr int kDone = 200;
constexpr int kFirstRefusal = 400;
constexpr std::int64_t kKept = 24 * 3600;  // seconds
constexpr std::size_t kMostBody = 16 << 10;  // bytes; only rehearsals and refusals have more to say, and doing those again changes nothing

void note(Change& change, const Caller& caller, int status, const Json& answer) {
  if (!caller.request()) return;
  auto reply = *caller.request();
  reply.status = status;
  reply.body = answer.dump();
  change.put(reply);
}

// The snapshot of this very request, and not a later one of the same name.
bool was_taken(const Picture& picture, const Json& answer) {
  const auto machine = model::MachineId::parse(answer.value("vmid", ""));
  const auto id = machine ? picture.snapshot_names.find({*machine, answer.value("name", "")}) : nullptr;
  const auto snapshot = id ? picture.snapshots.find(*id) : nullptr;
  return snapshot && snapshot->phase == model::Phase::ready && snapshot->created == answer.value("created", std::int64_t{0});
}

// A thing whose making was journalled is there if it is ready; if not, the recovery takes it back.
bool was_made(const Picture& picture, const model::Reply& reply) {
  if (reply.body.empty()) return false;
  const auto answer = model::parse_json(reply.body);
  if (answer.contains("name")) return was_taken(picture, answer);
  const auto ready = [&](const auto& map, const char* field, auto parse) {
    const auto text = answer.find(field);
    if (text == answer.end() || !text->is_string()) return false;
    const auto id = parse(text->template get_ref<const std::string&>());
    const auto row = id ? map.find(*id) : nullptr;
    return row && row->phase == model::Phase::ready;
  };
  return ready(picture.machines, "vmid", model::MachineId::parse) || ready(picture.resources, "rid", model::ResourceId::parse);
}

// Of the request itself: it is not kept, so that a retry is done.
bool says_nothing(const model::Reply& reply) { return reply.status == 429 || reply.status >= 500 || reply.body.size() > kMostBody; }

template <class Wanted>
std::vector<model::Reply> replies_where(const Picture& picture, Wanted wanted) {
  std::vector<model::Reply> replies;
  picture.replies.visit_all([&](const auto&, const auto& reply) {
    if (wanted(*reply)) replies.push_back(*reply);
  });
  return replies;
}

// What is kept of the user already; the answers that are to go first come first: refusals, which changed nothing, then the oldest.
std::vector<model::Reply> kept_of(const Picture& picture, model::Uid uid) {
  std::vector<model::Reply> kept;
  picture.replies.visit_from({uid, ""}, [&](const auto& key, const auto& reply) {
    if (key.first == uid && reply->status != kPending) kept.push_back(*reply);
    return key.first == uid;
  });
  std::stable_sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) {
    const bool first = a.status >= kFirstRefusal, second = b.status >= kFirstRefusal;
    return first != second ? first : a.created < b.created;
  });
  return kept;
}

}  // namespace

Replies::Replies(Inventory& inventory) : inventory_(inventory) {
  const auto picture = inventory_.picture();
  auto pending = replies_where(*picture, [](const model::Reply& reply) { return reply.status == kPending; });
  if (pending.empty()) return;
  inventory_.change([&](Change& change) {
    for (auto& reply : pending) {
      if (!was_made(change.picture(), reply)) {
        change.erase_reply(reply.uid, reply.key);
        continue;
      }
      reply.status = kDone;
      change.put(reply);
    }
  });
}

std::optional<model::Reply> Replies::begin(const model::Reply& request) {
  std::optional<model::Reply> before;
  const auto look = [&](const Picture& picture) {
    const auto known = picture.replies.find({request.uid, request.key});
    if (!known) return;
    if (known->request != request.request) throw Error(ErrorCode::request_key_reused, "This Idempotency-Key came with another request before");
    before = known->status == kPending ? unsaved(*known) : *known;
    if (before && says_nothing(*before)) before.reset();  // the note of it could not be taken back
    else if (!before) throw Error(ErrorCode::request_in_progress, "The first request with this Idempotency-Key is not answered yet");
  };
  look(*inventory_.picture());
  if (before) return before;
  inventory_.change([&](Change& change) {
    look(change.picture());
    if (before) return;
    const auto kept = kept_of(change.picture(), request.uid);
    for (std::size_t i = 0; i + kMost <= kept.size(); ++i) change.erase_reply(kept[i].uid, kept[i].key);
    change.put(request);
    const std::lock_guard lock(mutex_);
    unsaved_.erase({request.uid, request.key});
  });
  return before;
}

std::optional<model::Reply> Replies::unsaved(const model::Reply& pending) const {
  const std::lock_guard lock(mutex_);
  const auto found = unsaved_.find({pending.uid, pending.key});
  return found != unsaved_.end() && found->second.request == pending.request ? std::optional(found->second) : std::nullopt;
}

void Replies::end(const model::Reply& answered) {
  try {
    inventory_.change([&](Change& change) { write(change, answered); });
  } catch (const std::exception& error) {
    // What was done is done, whatever becomes of the note of it.
    spdlog::warn("the answer to a request with an Idempotency-Key is not written down yet: {}", error.what());
    const std::lock_guard lock(mutex_);
    unsaved_[{answered.uid, answered.key}] = answered;
  }
}

void Replies::write(Change& change, const model::Reply& answered) {
  if (!change.picture().users.find(answered.uid)) return;  // removed meanwhile, and its answers with it
  if (says_nothing(answered)) change.erase_reply(answered.uid, answered.key);
  else change.put(answered);
}

void Replies::save_again() {
  std::map<Key, model::Reply> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = unsaved_;
  }
  for (const auto& [key, reply] : waiting) {
    inventory_.change([&](Change& change) {
      if (unsaved(reply)) write(change, reply);  // unless the request has come again meanwhile
    });
    const std::lock_guard lock(mutex_);
    unsaved_.erase(key);
  }
}

void Replies::expire() {
  save_again();
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  const auto old = replies_where(*inventory_.picture(), [now](const model::Reply& reply) { return reply.status != kPending && now - reply.created > kKept; });
  if (old.empty()) return;
  inventory_.change([&](Change& change) {
    for (const auto& reply : old) change.erase_reply(reply.uid, reply.key);
  });
}

std::array<std::uint8_t, 32> fingerprint(std::string_view text) {
  std::array<std::uint8_t, 32> hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return hash;
}

void note_intent(Change& change, const Caller& caller, const Json& answer) { note(change, caller, kPending, answer); }

void note_result(Change& change, const Caller& caller, const Json& answer) { note(change, caller, kDone, answer); }

}  // namespace velocity::service
