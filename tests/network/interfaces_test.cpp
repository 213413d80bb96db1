#include "framework/network/interfaces.hpp"

#include <gmock/gmock.h>

#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "framework/model/error.hpp"
#include "framework/network/links.hpp"
#include "tests/network/namespace.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::network {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class InterfacesTest : public NamespaceTest {
 protected:
  // Their keys, once they are these; what they are after five seconds otherwise.
  static std::vector<std::string> keys(const Interfaces& interfaces) {
    std::vector<std::string> found;
    for (const auto& interface : interfaces.list()) found.push_back(interface.key);
    return found;
  }

  std::vector<std::string> soon(const Interfaces& interfaces, const std::vector<std::string>& wanted) {
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, std::chrono::seconds(5), [&] { return keys(interfaces) == wanted; });
    return keys(interfaces);
  }

  std::function<void()> noting() {
    return [this] {
      const std::lock_guard lock(mutex_);
      ++changes_;
      news_.notify_all();
    };
  }

  InterfacesSettings with_veth() const { return {{}, {"veth"}, sysfs_.path()}; }

  test::TemporaryDirectory sysfs_;
  std::mutex mutex_;
  std::condition_variable news_;
  int changes_ = 0;
};

TEST_F(InterfacesTest, BridgesAreOfferedAndNeitherLoopbackNorTapsNorOtherVirtualLinks) {
  ip("link add br7 address 02:00:00:00:00:07 type bridge");
  ip("link add v0 type veth peer name v1");
  const Interfaces interfaces({{}, {}, sysfs_.path()});
  const auto list = interfaces.list();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0], (Interface{"br7", "02:00:00:00:00:07", Joint::bridge, false, 1500, "bridge br7"}));
  EXPECT_EQ(interfaces.trouble(), "");
}

TEST_F(InterfacesTest, WhatComesGoesOrChangesIsToldByItself) {
  Interfaces interfaces(with_veth());
  const InterfaceWatch watch(interfaces, noting());
  EXPECT_THAT(keys(interfaces), IsEmpty());
  ip("link add br0 type bridge");
  EXPECT_THAT(soon(interfaces, {"bridge br0"}), ElementsAre("bridge br0"));
  ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02");
  const std::vector<std::string> three{"address 02:00:00:00:00:01", "address 02:00:00:00:00:02", "bridge br0"};
  EXPECT_EQ(soon(interfaces, three), three);
  ip("link del br0");
  EXPECT_THAT(soon(interfaces, {three[0], three[1]}), ElementsAre(three[0], three[1]));
  EXPECT_GE(changes_, 3);
}

TEST_F(InterfacesTest, ARenamedInterfaceKeepsItsKeyAndItsNameIsTheNewOne) {
  ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02");
  Interfaces interfaces(with_veth());
  const InterfaceWatch watch(interfaces, noting());
  const auto before = keys(interfaces);
  ip("link set v0 name uplink");
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(news_.wait_for(lock, std::chrono::seconds(5), [&] { return interfaces.list().at(0).name == "uplink"; }));
  EXPECT_EQ(keys(interfaces), before);
}

TEST_F(InterfacesTest, ThePortOfABridgeIsNotOffered) {
  ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02");
  ip("link add br0 type bridge");
  Interfaces interfaces(with_veth());
  const InterfaceWatch watch(interfaces, noting());
  ip("link set v0 master br0");
  EXPECT_THAT(soon(interfaces, {"address 02:00:00:00:00:02", "bridge br0"}), ElementsAre("address 02:00:00:00:00:02", "bridge br0"));
}

TEST_F(InterfacesTest, TheWayOutIsOfferedOnlyWhenItIsListed) {
  ip("link add br0 type bridge");
  ip("link add br1 type bridge");
  ip("link set br0 up");
  ip("link set br1 up");
  Interfaces strict({{}, {}, sysfs_.path()});
  const InterfaceWatch watch(strict, noting());
  Interfaces listed({{"br0", "br1"}, {}, sysfs_.path()});
  ip("addr add 10.9.0.2/24 dev br0");
  ip("route add default via 10.9.0.1");
  EXPECT_THAT(soon(strict, {"bridge br1"}), ElementsAre("bridge br1"));
  EXPECT_THAT(strict.held_back(), ElementsAre("br0"));
  ip("-6 route add default dev br1");
  EXPECT_THAT(soon(strict, {}), IsEmpty());
  EXPECT_FALSE(listed.look());
  EXPECT_THAT(keys(listed), ElementsAre("bridge br0", "bridge br1"));
  ip("route del default");
  EXPECT_THAT(soon(strict, {"bridge br0"}), ElementsAre("bridge br0"));
}

// Not every kernel has VLANs.
TEST(WaysOut, WhatCarriesAWayOutIsOneHoweverMuchStandsOnIt) {
  const auto link = [](int index, const char* kind, int lower) {
    Link made;
    made.index = index;
    made.kind = kind;
    made.lower = lower;
    return made;
  };
  const std::vector<Link> links{link(1, "", 0), link(2, "vlan", 1), link(3, "vlan", 2), link(4, "macvlan", 3), link(5, "veth", 1), link(6, "vlan", 1)};
  EXPECT_THAT(ways_out(links, {4}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(ways_out(links, {5}), ElementsAre(5)) << "a veth's other end carries nothing";
  EXPECT_THAT(ways_out(links, {}), IsEmpty());
}

TEST_F(InterfacesTest, NoInterfaceIsGoneBecauseTheKernelCouldNotBeAsked) {
  ip("link add br0 type bridge");
  Interfaces interfaces(with_veth());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool changed = interfaces.look();
  const Interfaces blind(with_veth());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(changed);
  EXPECT_NE(interfaces.trouble(), "");
  EXPECT_THAT(keys(interfaces), ElementsAre("bridge br0"));
  EXPECT_THROW(blind.list(), model::Error) << "which is not the same as none";
  interfaces.look();
  EXPECT_EQ(interfaces.trouble(), "");
}

TEST_F(InterfacesTest, ADefaultRouteInAnotherTableOrOverSeveralWaysCountsToo) {
  ip("link add br0 type bridge");
  ip("link add br1 type bridge");
  ip("link add br2 type bridge");
  for (const auto* name : {"br0", "br1", "br2"}) ip(std::string("link set ") + name + " up");
  ip("addr add 10.9.0.2/24 dev br0");
  ip("addr add 10.9.1.2/24 dev br1");
  ip("addr add 10.9.2.2/24 dev br2");
  Interfaces strict({{}, {}, sysfs_.path()});
  const InterfaceWatch watch(strict, noting());
  ip("route add default table 77 via 10.9.0.1");
  EXPECT_THAT(soon(strict, {"bridge br1", "bridge br2"}), ElementsAre("bridge br1", "bridge br2"));
  ip("route add default nexthop via 10.9.1.1 nexthop via 10.9.2.1");
  EXPECT_THAT(soon(strict, {}), IsEmpty());
}

TEST_F(InterfacesTest, WirelessInterfacesAreNotOffered) {
  ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02");
  std::filesystem::create_directories(sysfs_.path() / "v0/wireless");
  std::filesystem::create_directories(sysfs_.path() / "v1/phy80211");
  ip("link add br0 type bridge");
  const Interfaces interfaces(with_veth());
  EXPECT_THAT(keys(interfaces), ElementsAre("bridge br0"));
}

TEST_F(InterfacesTest, TwoInterfacesWithOneAddressAreBothThere) {
  ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:01");
  const Interfaces interfaces(with_veth());
  EXPECT_THAT(keys(interfaces), testing::SizeIs(2));
}

TEST_F(InterfacesTest, AStormOfChangesEndsAtTheTruth) {
  Interfaces interfaces(with_veth());
  const InterfaceWatch watch(interfaces, noting());
  for (int i = 0; i < 20; ++i) {
    ip("link add storm type bridge");
    ip("link del storm");
  }
  ip("link add calm type bridge");
  EXPECT_THAT(soon(interfaces, {"bridge calm"}), ElementsAre("bridge calm"));
}

}  // namespace
}  // namespace velocity::network
