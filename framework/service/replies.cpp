#include "framework/service/replies.hpp"

#include <sodium.h>

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
constexpr std::int64_t kKept = 24 * 3600;  // seconds

void note(Change& change, const Caller& caller, int status, const Json& answer) {
  if (!caller.request()) return;
  auto reply = *caller.request();
  reply.status = status;
  reply.body = answer.dump();
  change.put(reply);
}

// A thing whose making was journalled is there if it is ready; if not, the recovery takes it back.
bool was_made(const Picture& picture, const model::Reply& reply) {
  const auto answer = model::parse_json(reply.body);
  const auto ready = [&](const auto& map, const char* field, auto parse) {
    const auto text = answer.find(field);
    if (text == answer.end() || !text->is_string()) return false;
    const auto id = parse(text->template get_ref<const std::string&>());
    const auto row = id ? map.find(*id) : nullptr;
    return row && row->phase == model::Phase::ready;
  };
  return ready(picture.machines, "vmid", model::MachineId::parse) || ready(picture.resources, "rid", model::ResourceId::parse);
}

template <class Wanted>
std::vector<model::Reply> replies_where(const Picture& picture, Wanted wanted) {
  std::vector<model::Reply> replies;
  picture.replies.visit_all([&](const auto&, const auto& reply) {
    if (wanted(*reply)) replies.push_back(*reply);
  });
  return replies;
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
    if (known->status == kPending) throw Error(ErrorCode::request_in_progress, "The first request with this Idempotency-Key is not answered yet");
    before = *known;
  };
  look(*inventory_.picture());
  if (before) return before;
  inventory_.change([&](Change& change) {
    look(change.picture());
    if (!before) change.put(request);
  });
  return before;
}

void Replies::end(const model::Reply& answered) {
  const bool says_nothing = answered.status == 429 || answered.status >= 500;
  inventory_.change([&](Change& change) {
    if (!change.picture().users.find(answered.uid)) return;  // removed meanwhile, and its answers with it
    if (says_nothing) change.erase_reply(answered.uid, answered.key);
    else change.put(answered);
  });
}

void Replies::expire() {
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
