#include "framework/service/live_plan.hpp"

#include <gtest/gtest.h>

#include <map>

#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using model::ResourceKind;
using test::member;
using test::refusal_of;
using Action = LiveStep::Action;

class LivePlanTest : public testing::Test {
 protected:
  AttachedDevice disk(const std::string& name, const std::string& bus = "virtio", nlohmann::json options = nlohmann::json::object()) {
    return device(name, ResourceKind::storage,
                  "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/" + name + "'/><target dev='vda' bus='" + bus + "'/></disk>",
                  std::move(options));
  }
  AttachedDevice cd(const std::string& name) {
    return device(name, ResourceKind::storage,
                  "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/" + name + "'/><target dev='sda' bus='sata'/></disk>");
  }
  AttachedDevice nic(const std::string& name, const std::string& mac) {
    return device(name, ResourceKind::nic, "<interface type='user'><mac address='" + mac + "'/></interface>");
  }
  AttachedDevice socket_nic(const std::string& name) {
    AttachedDevice device;
    device.resource = id(name);
    device.kind = ResourceKind::nic;
    return device;
  }
  // As the guest sees them: with targets of their own.
  static std::vector<libvirt::Device> live(const std::vector<AttachedDevice>& devices) {
    std::vector<libvirt::Device> seen;
    for (const auto& device : devices) {
      if (device.xml.empty()) continue;
      auto there = device.device;
      if (device.kind == ResourceKind::storage) there.target = libvirt::free_target(seen, libvirt::bus_of(device.xml));
      seen.push_back(std::move(there));
    }
    return seen;
  }
  static LivePlan plan(const std::vector<AttachedDevice>& from, const std::vector<AttachedDevice>& to) { return plan_live(from, to, live(from), false, true); }
  static std::vector<Action> actions(const LivePlan& plan) {
    std::vector<Action> list;
    for (const auto& step : plan.steps) list.push_back(step.action);
    return list;
  }

 private:
  model::ResourceId id(const std::string& name) {
    if (ids_.count(name) == 0) ids_[name] = model::ResourceId::random();
    return ids_[name];
  }
  AttachedDevice device(const std::string& name, ResourceKind kind, const std::string& xml, nlohmann::json options = nlohmann::json::object()) {
    return {id(name), kind, std::move(options), false, xml, libvirt::devices_in("<domain><devices>" + xml + "</devices></domain>").at(0)};
  }
  std::map<std::string, model::ResourceId> ids_;
};

TEST_F(LivePlanTest, NothingIsDoneForWhatStays) {
  const std::vector<AttachedDevice> same{disk("a"), cd("b"), nic("n", "52:54:00:00:00:01"), socket_nic("s")};
  const auto nothing = plan(same, same);
  EXPECT_TRUE(nothing.steps.empty());
  EXPECT_TRUE(nothing.next_start.empty());
}

TEST_F(LivePlanTest, ADiskThatIsAddedIsPluggedInUnderAFreeName) {
  const auto added = plan({disk("a")}, {disk("a"), disk("b")});
  ASSERT_EQ(actions(added), std::vector{Action::attach});
  EXPECT_NE(added.steps[0].xml.find("vdb"), std::string::npos) << added.steps[0].xml;
  EXPECT_TRUE(added.next_start.empty());
}

TEST_F(LivePlanTest, TwoDisksThatAreAddedGetTwoNames) {
  const auto added = plan({disk("a")}, {disk("a"), disk("b"), disk("c")});
  ASSERT_EQ(added.steps.size(), 2U);
  EXPECT_NE(added.steps[1].xml.find("vdc"), std::string::npos) << added.steps[1].xml;
}

TEST_F(LivePlanTest, WhatGoesIsTakenOutBeforeAnythingIsPutIn) {
  const auto swapped = plan({disk("a"), disk("b")}, {disk("a"), disk("c")});
  EXPECT_EQ(actions(swapped), (std::vector{Action::detach, Action::attach}));
  EXPECT_EQ(swapped.steps[0].device.source, "/b");
}

TEST_F(LivePlanTest, TheBootDiskIsNotTakenOutUnlessAKernelIsBootedDirectly) {
  const auto first = disk("a"), second = disk("b", "virtio", {{"boot", 1}});
  const auto error = refusal_of([&] { plan({first, second}, {first}); });
  EXPECT_EQ(error.code(), ErrorCode::machine_boot_disk);
  EXPECT_EQ(member(error, "rid"), second.resource.text());
  EXPECT_EQ(actions(plan({first, second}, {second})), std::vector{Action::detach});
  EXPECT_EQ(actions(plan_live({first, second}, {first}, live({first, second}), true, true)), std::vector{Action::detach});
}

TEST_F(LivePlanTest, ADiskOnSataComesWithTheNextStartAndIsNotTakenOut) {
  const auto added = plan({disk("a")}, {disk("a"), disk("b", "sata")});
  EXPECT_TRUE(added.steps.empty());
  EXPECT_EQ(added.next_start.count(ResourceKind::storage), 1U);
  EXPECT_EQ(refusal_of([&] { plan({disk("a"), disk("b", "sata")}, {disk("a")}); }).code(), ErrorCode::machine_running);
}

TEST_F(LivePlanTest, AMediumIsChangedAndTakenOutWhileTheDriveStays) {
  const auto changed = plan({disk("a"), cd("b")}, {disk("a"), cd("c")});
  ASSERT_EQ(actions(changed), std::vector{Action::change_medium});
  EXPECT_NE(changed.steps[0].xml.find("/c"), std::string::npos);
  EXPECT_TRUE(changed.next_start.empty());
  const auto taken = plan({disk("a"), cd("b")}, {disk("a")});
  ASSERT_EQ(actions(taken), std::vector{Action::change_medium});
  EXPECT_EQ(taken.steps[0].xml.find("source"), std::string::npos) << taken.steps[0].xml;
}

TEST_F(LivePlanTest, AMediumWithoutADriveWaitsForTheNextStart) {
  const auto added = plan({disk("a")}, {disk("a"), cd("b")});
  EXPECT_TRUE(added.steps.empty());
  EXPECT_EQ(added.next_start.count(ResourceKind::storage), 1U);
}

TEST_F(LivePlanTest, AnEmptyDriveTakesOneMedium) {
  auto seen = live({disk("a"), cd("b")});
  seen[1].source.clear();
  const auto added = plan_live({disk("a")}, {disk("a"), cd("c"), cd("d")}, seen, false, true);
  EXPECT_EQ(actions(added), std::vector{Action::change_medium});
  EXPECT_EQ(added.next_start.count(ResourceKind::storage), 1U) << "there is no drive for the second";
}

TEST_F(LivePlanTest, NicsAreKnownByTheirAddresses) {
  const auto first = nic("n", "52:54:00:00:00:01"), second = nic("m", "52:54:00:00:00:02");
  const auto swapped = plan({first}, {second});
  EXPECT_EQ(actions(swapped), (std::vector{Action::detach, Action::attach}));
  EXPECT_EQ(swapped.steps[0].device.mac, "52:54:00:00:00:01");
}

TEST_F(LivePlanTest, ANicThatIsNoDeviceOfLibvirtsWaitsAndIsNotTakenOut) {
  EXPECT_EQ(plan({}, {socket_nic("s")}).next_start.count(ResourceKind::nic), 1U);
  EXPECT_EQ(refusal_of([&] { plan({socket_nic("s")}, {}); }).code(), ErrorCode::machine_running);
}

TEST_F(LivePlanTest, ANicThatMustBeGuardedComesWithTheNextStart) {
  auto guarded = nic("n", "52:54:00:00:00:01");
  guarded.guarded = true;
  const auto added = plan({}, {guarded});
  EXPECT_TRUE(added.steps.empty());
  EXPECT_EQ(added.next_start.count(ResourceKind::nic), 1U);
}

TEST_F(LivePlanTest, AnotherOrderAndOtherOptionsComeWithTheNextStart) {
  EXPECT_EQ(plan({disk("a"), disk("b")}, {disk("b"), disk("a")}).next_start.count(ResourceKind::storage), 1U);
  EXPECT_EQ(plan({disk("a")}, {disk("a", "virtio", {{"boot", 2}})}).next_start.count(ResourceKind::storage), 1U);
}

TEST_F(LivePlanTest, WhatWaitsForTheNextStartCanBeGivenUpBeforeIt) {
  EXPECT_TRUE(plan_live({disk("a"), disk("b", "sata")}, {disk("a")}, live({disk("a")}), false, true).steps.empty());
}

TEST_F(LivePlanTest, TakingBackPutsInAgainWhatWasTakenOut) {
  const auto back = plan_live({disk("a"), disk("b"), disk("c")}, {disk("a"), disk("b")}, live({disk("a"), disk("c")}), false, false);
  ASSERT_EQ(actions(back), (std::vector{Action::detach, Action::attach}));
  EXPECT_EQ(back.steps[0].device.source, "/c");
  EXPECT_NE(back.steps[1].xml.find("/b"), std::string::npos);
}

}  // namespace
}  // namespace velocity::service
