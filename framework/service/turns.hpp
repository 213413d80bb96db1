// One change at a time for each machine. Included by what changes machines.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

#include "framework/model/uuid.hpp"

namespace velocity::service {

// Thread-safe.
class Turns {
 public:
  class Turn {
   public:
    Turn(Turns& turns, model::MachineId id) : turns_(&turns), id_(id) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), id_(other.id_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    Turns* turns_;
    model::MachineId id_;
  };

  // Waits for its turn; Error(machine_busy) when it does not come in time.
  Turn take(model::MachineId id, std::chrono::milliseconds patience = std::chrono::seconds(20));

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::set<model::MachineId> taken_;
};

}  // namespace velocity::service
