#include "framework/service/turns.hpp"

#include "framework/model/error.hpp"

namespace velocity::service {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr int kMostWaiting = 2;

}  // namespace

Turns::Turn::~Turn() {
  if (!turns_) return;
  {
    const std::lock_guard lock(turns_->mutex_);
    turns_->taken_.erase(id_);
  }
  turns_->freed_.notify_all();
}

Turns::Turn Turns::take(model::Uuid id) {
  std::unique_lock lock(mutex_);
  if (taken_.count(id) > 0) {
    const bool full = waiting_ == kMostWaiting;
    ++waiting_;
    const bool free = !full && freed_.wait_for(lock, kPatience, [&] { return taken_.count(id) == 0; });
    --waiting_;
    if (!free) throw model::Error(model::ErrorCode::machine_busy, "Another change of this is still under way. Try again in a moment");
  }
  taken_.insert(id);
  return {*this, id};
}

std::optional<Turns::Turn> Turns::take_if_free(model::Uuid id) {
  const std::lock_guard lock(mutex_);
  if (!taken_.insert(id).second) return std::nullopt;
  return std::optional<Turn>(std::in_place, *this, id);
}

}  // namespace velocity::service
