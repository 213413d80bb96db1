#include "framework/service/autostart.hpp"

#include <gtest/gtest.h>

#include "tests/service/house.hpp"

namespace velocity::service {
namespace {

using model::MachineState;
using std::chrono::seconds;

class AutostartTest : public testing::Test {
 protected:
  AutostartTest() {
    house_.accounts.create_root("root-password");
    catalog_ = house_.catalogs.create(root(), model::kRootGroup, "c");
    house_.host.facts();
  }
  ~AutostartTest() override { house_.catalogs.remove(root(), catalog_); }

  Caller root() { return house_.caller("root"); }
  // A machine that was made at that time.
  model::MachineId machine(const std::string& name, std::int64_t created, bool autostart = true) {
    model::Machine wanted;
    wanted.name = name;
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.memory_mb = 64;
    wanted.autostart = autostart;
    const auto id = house_.machines.create(root(), wanted).id;
    house_.inventory.change([&](Change& change) {
      auto row = *change.picture().machines.find(id);
      row.created = created;
      change.put(row);
    });
    return id;
  }
  MachineState state(model::MachineId id) { return house_.inventory.picture()->runtime(id).state; }
  void crash(model::MachineId id) {
    house_.host.destroy(id);
    house_.inventory.wait_for(id, MachineState::STOPPED, seconds(10));
    house_.inventory.observe(id, {MachineState::STOPPED, "crashed"});
  }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_;
  Autostart autostart_{house_.inventory, house_.power};
  Autostart::Clock::time_point now_ = Autostart::Clock::now();
};

TEST_F(AutostartTest, TheOldestStartsFirstAndOneAtATime) {
  const auto young = machine("young", 20), old = machine("old", 10), other = machine("other", 5, false);
  autostart_.begin(now_);
  autostart_.tick(now_);
  EXPECT_EQ(state(old), MachineState::RUNNING);
  EXPECT_EQ(state(young), MachineState::STOPPED);
  autostart_.tick(now_ + Autostart::kPause / 2);
  EXPECT_EQ(state(young), MachineState::STOPPED);
  autostart_.tick(now_ + Autostart::kPause);
  EXPECT_EQ(state(young), MachineState::RUNNING);
  EXPECT_EQ(state(other), MachineState::STOPPED);
}

TEST_F(AutostartTest, AMachineThatKeepsCrashingIsGivenUpAfterThreeTriesAndSaysSo) {
  const auto id = machine("weak", 1);
  autostart_.begin(now_);
  int starts = 0;
  for (int second = 0; second < 120 && autostart_.busy(); ++second) {
    autostart_.tick(now_ + seconds(second));
    if (state(id) != MachineState::RUNNING) continue;
    ++starts;
    crash(id);
  }
  EXPECT_EQ(starts, Autostart::kMostTries);
  EXPECT_FALSE(autostart_.busy());
  EXPECT_EQ(house_.inventory.picture()->runtime(id).cause, "autostart was given up: the guest crashed");
}

TEST_F(AutostartTest, AMachineThatSomebodyStopsIsLeftAlone) {
  const auto id = machine("stopped", 1);
  autostart_.begin(now_);
  autostart_.tick(now_);
  house_.host.destroy(id);
  house_.inventory.wait_for(id, MachineState::STOPPED, seconds(10));
  for (int second = 1; second < 120; ++second) autostart_.tick(now_ + seconds(second));
  EXPECT_EQ(state(id), MachineState::STOPPED);
}

TEST_F(AutostartTest, AMachineThatHasRunForAMinuteIsNoLongerLookedAfter) {
  machine("settled", 1);
  autostart_.begin(now_);
  autostart_.tick(now_);
  EXPECT_TRUE(autostart_.busy());
  autostart_.tick(now_ + Autostart::kSettled + seconds(1));
  EXPECT_FALSE(autostart_.busy());
}

TEST_F(AutostartTest, AMachineWhosePluginIsGoneIsGivenUpAtOnceAndTheNextStarts) {
  const auto lost = machine("lost", 1), next = machine("next", 2);
  house_.inventory.change([&](Change& change) {
    auto row = *change.picture().machines.find(lost);
    row.type = "lost";
    row.plugin = "lost-plugin";
    change.put(row);
  });
  autostart_.begin(now_);
  autostart_.tick(now_);
  const auto cause = house_.inventory.picture()->runtime(lost).cause;
  EXPECT_NE(cause.find("autostart was given up"), std::string::npos) << cause;
  EXPECT_NE(cause.find("lost-plugin"), std::string::npos) << cause;
  autostart_.tick(now_ + Autostart::kPause);
  EXPECT_EQ(state(next), MachineState::RUNNING);
  autostart_.tick(now_ + Autostart::kPause + Autostart::kSettled + seconds(1));
  EXPECT_FALSE(autostart_.busy()) << "it is not tried again";
}

}  // namespace
}  // namespace velocity::service
