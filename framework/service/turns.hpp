// One change at a time for each thing that reaches beyond the database. Included by what changes machines and resources.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "framework/model/uuid.hpp"

namespace velocity::service {

// Thread-safe.
class Turns {
 public:
  // Held while the change lasts.
  class Turn {
   public:
    Turn(Turns& turns, model::Uuid id) : turns_(&turns), id_(id) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), id_(other.id_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    Turns* turns_;
    model::Uuid id_;
  };

  Turn take(model::Uuid id);                     // waits up to 10 s, with few others; else Error(machine_busy)
  std::optional<Turn> take_if_free(model::Uuid id);  // nothing when a change is under way

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::set<model::Uuid> taken_;
  int waiting_ = 0;
};

}  // namespace velocity::service
