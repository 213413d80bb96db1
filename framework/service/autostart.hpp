// Starts the machines that are to run whenever the server does: the oldest first, one after the other, and again when one crashes, but not
// for ever. Driven by the recovery's thread.
#pragma once

#include <chrono>
#include <map>

#include "framework/service/inventory.hpp"
#include "framework/service/power.hpp"

namespace velocity::service {

// Used by one thread.
class Autostart {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kPause{1};     // between two starts, so that guests do not all boot at once
  static constexpr std::chrono::seconds kSettled{60};  // whoever runs for so long has not crashed at its start
  static constexpr int kMostTries = 3;

  Autostart(Inventory& inventory, Power& power) : inventory_(inventory), power_(power) {}

  void begin(Clock::time_point now);  // all that want it and do not run become due
  bool busy() const { return !watched_.empty(); }
  void tick(Clock::time_point now);   // starts at most one that is due, and looks what has become of the others

 private:
  struct Watched {
    std::int64_t created = 0;
    int tries = 0;
    bool started = false;
    Clock::time_point since;  // when it was started, or is due
  };
  using Machines = std::map<model::MachineId, Watched>;

  bool looked_after(model::MachineId id, Watched& machine, Clock::time_point now);
  void start(model::MachineId id, Watched& machine, Clock::time_point now);
  void fail(model::MachineId id, Watched& machine, Clock::time_point now, const std::string& why);
  void give_up(model::MachineId id, Watched& machine, const std::string& why);

  Inventory& inventory_;
  Power& power_;
  Machines watched_;
  Clock::time_point next_start_;
};

}  // namespace velocity::service
