#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr auto* kRid = "7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f";
constexpr auto* kMac = "02:00:00:00:00:01";

class NicTest : public PluginTest {
 protected:
  NicTest() : registry_(load({good("user-nic"), good("file-handle-nic"), good("bridged-nic")})) {}

  const ResourceType& type(const std::string& name) const {
    const auto* found = registry_.find_resource_type(name);
    if (!found) throw std::runtime_error(name + " is not loaded");
    return *found;
  }

  // "section: xml" of the one fragment.
  std::string attach(const std::string& name, const Json& spec, Json options = Json::object()) const {
    if (!options.contains("mac_address")) options["mac_address"] = kMac;
    const auto fragments = type(name).attach({{"rid", kRid}, {"spec", spec}, {"path", ""}, {"directory", "/run/velocity/nic"}, {"options", options},
                                              {"index", 0}, {"vm", {{"vmid", kRid}}}, {"host", Json::object()}});
    EXPECT_EQ(fragments.size(), 1U);
    return fragments.at(0).section + ": " + fragments.at(0).xml;
  }

  Registry registry_;
};

TEST_F(NicTest, AllAreNics) {
  for (const auto* name : {"user-nic", "file-handle-nic", "bridged-nic"}) EXPECT_EQ(type(name).kind(), model::ResourceKind::nic) << name;
}

TEST_F(NicTest, AUserNicWithoutForwardsIsLibvirtsOwn) {
  EXPECT_EQ(attach("user-nic", {{"forwards", Json::array()}}),
            "devices: <interface type='user'><mac address='02:00:00:00:00:01'/><model type='virtio'/></interface>");
  EXPECT_EQ(attach("user-nic", Json::object(), {{"model", "e1000e"}, {"boot", 2}}),
            "devices: <interface type='user'><mac address='02:00:00:00:00:01'/><model type='e1000e'/><boot order='2'/></interface>");
}

TEST_F(NicTest, ForwardedPortsAreAnExtension) {
  const Json spec{{"forwards", {{{"host_port", 2222}, {"guest_port", 22}, {"protocol", "tcp"}, {"host_address", "127.0.0.1"}}}}};
  EXPECT_EQ(attach("user-nic", spec, {{"boot", 1}}),
            "extensions: <userInterface mac='02:00:00:00:00:01' model='virtio' boot='1'>"
            "<forward protocol='tcp' address='127.0.0.1' port='2222' guestPort='22'/></userInterface>");
}

TEST_F(NicTest, ForwardsAreNormalisedAndJudged) {
  const auto& user = type("user-nic");
  EXPECT_EQ(user.validate(Json::object()), Json({{"forwards", Json::array()}}));
  EXPECT_EQ(user.validate({{"forwards", {{{"host_port", "2222"}, {"guest_port", 22}}}}}),
            Json({{"forwards", {{{"host_port", 2222}, {"guest_port", 22}, {"protocol", "tcp"}, {"host_address", "127.0.0.1"}}}}}));
  EXPECT_THAT(problems([&] { user.validate({{"forwards", {{{"host_port", 0}, {"guest_port", 65536}, {"protocol", "sctp"}, {"path", "/"}}}}}); }),
              UnorderedElementsAre("/forwards/0/host_port: must be a whole number from 1 to 65535", "/forwards/0/guest_port: must be a whole number from 1 to 65535",
                                   "/forwards/0/protocol: must be one of tcp, udp", "/forwards/0/path: is not a field of this type"));
  for (const auto* address : {"localhost", "::1", "127.1", "1.2.3.4,x=y", "", "127.0.0.1 "})
    EXPECT_THAT(problems([&] { user.validate({{"forwards", {{{"host_port", 1024}, {"guest_port", 22}, {"host_address", address}}}}}); }),
                ElementsAre("/forwards/0/host_address: must be an IPv4 address, such as 127.0.0.1"))
        << address;
}

TEST_F(NicTest, APortIsForwardedOnceForEachProtocolAndAddress) {
  const auto& user = type("user-nic");
  const Json first{{"host_port", 2222}, {"guest_port", 22}}, again{{"host_port", 2222}, {"guest_port", 23}};
  const Json udp{{"host_port", 2222}, {"guest_port", 22}, {"protocol", "udp"}};
  EXPECT_THAT(problems([&] { user.validate({{"forwards", {first, udp, again}}}); }), ElementsAre("/forwards/2/host_port: is forwarded already"));
}

TEST_F(NicTest, WhatOthersCouldReachIsNotForEverybody) {
  const auto& user = type("user-nic");
  const auto beyond = [&](const Json& forward) { return user.privileged(user.validate({{"forwards", {forward}}})); };
  EXPECT_THAT(user.privileged(user.validate(Json::object())), IsEmpty());
  EXPECT_THAT(beyond({{"host_port", 1024}, {"guest_port", 22}}), IsEmpty());
  EXPECT_THAT(beyond({{"host_port", 1024}, {"guest_port", 22}, {"host_address", "0.0.0.0"}}),
              ElementsAre(model::Problem{"/forwards/0/host_address", "must be one of 127.0.0.1"}));
  EXPECT_THAT(beyond({{"host_port", 1023}, {"guest_port", 22}}), ElementsAre(model::Problem{"/forwards/0/host_port", "must be a whole number of at least 1024"}));
  EXPECT_THAT(type("file-handle-nic").privileged({{"mode", "dgram"}}), IsEmpty());
}

TEST_F(NicTest, EveryWrongOptionIsToldWithItsPath) {
  for (const auto& [name, spec] : std::vector<std::pair<std::string, Json>>{
           {"user-nic", Json::object()}, {"file-handle-nic", {{"mode", "dgram"}}}, {"bridged-nic", {{"interface", "br0"}, {"joint", "bridge"}}}})
    EXPECT_THAT(problems([&] { attach(name, spec, {{"model", "ne2k"}, {"boot", 0}, {"bus", "pci"}}); }),
                UnorderedElementsAre("/model: must be one of virtio, e1000e, e1000, vmxnet3, rtl8139", "/boot: must be a whole number from 1 to 999",
                                     "/bus: is not known here"))
        << name;
}

TEST_F(NicTest, AFileHandleNicHasADirectoryThatComesAndGoesWithIt) {
  const auto& nic = type("file-handle-nic");
  EXPECT_EQ(nic.validate(Json::object()), Json({{"mode", "dgram"}}));
  nic.create({{"rid", kRid}, {"spec", {{"mode", "dgram"}}}});
  nic.remove({{"rid", kRid}, {"spec", {{"mode", "dgram"}}}});
  EXPECT_THAT(services_.asked, ElementsAre(Pair("directory.create", Json({{"rid", kRid}})), Pair("directory.remove", Json({{"rid", kRid}}))));
}

TEST_F(NicTest, AFileHandleNicSaysWhereItsSocketsAre) {
  const auto inspect = [&](const char* mode) { return type("file-handle-nic").inspect({{"rid", kRid}, {"spec", {{"mode", mode}}}, {"directory", "/d"}}); };
  EXPECT_EQ(inspect("dgram"), Json({{"socket", "/d/guest"}, {"peer_socket", "/d/peer"}}));
  EXPECT_EQ(inspect("stream"), Json({{"socket", "/d/guest"}}));
}

TEST_F(NicTest, AFileHandleNicIsAnExtension) {
  EXPECT_EQ(attach("file-handle-nic", {{"mode", "stream"}}, {{"model", "rtl8139"}}),
            "extensions: <socketInterface mode='stream' directory='/run/velocity/nic' mac='02:00:00:00:00:01' model='rtl8139'/>");
}

TEST_F(NicTest, ABridgedNicIsATapOnABridgeOrAMacvtap) {
  EXPECT_EQ(attach("bridged-nic", {{"interface", "br0"}, {"joint", "bridge"}}),
            "devices: <interface type='bridge'><mac address='02:00:00:00:00:01'/><model type='virtio'/><source bridge='br0'/></interface>");
  EXPECT_EQ(attach("bridged-nic", {{"interface", "eth7"}, {"joint", "macvtap"}}),
            "devices: <interface type='direct'><mac address='02:00:00:00:00:01'/><model type='virtio'/><source dev='eth7' mode='bridge'/></interface>");
}

TEST_F(NicTest, BridgedNicsNeedAPrivilegedHypervisor) {
  EXPECT_TRUE(type("bridged-nic").host_check({{"domain_type", "qemu"}, {"privileged", true}}).available);
  const auto verdict = type("bridged-nic").host_check({{"domain_type", "qemu"}, {"privileged", false}});
  EXPECT_FALSE(verdict.available);
  EXPECT_THAT(verdict.why_not, testing::HasSubstr("root"));
  EXPECT_TRUE(type("user-nic").host_check({{"domain_type", "qemu"}, {"privileged", false}}).available);
}

TEST_F(NicTest, BridgedNicsAreWhatTheHostSays) {
  services_.answers["host.interfaces"] = Json::parse(R"json({"interfaces": [
    {"key": "bridge br0", "name": "br0", "mac_address": "02:00:00:00:00:07", "joint": "bridge", "up": true, "mtu": 1500},
    {"key": "address 02:00:00:00:00:08", "name": "eth7", "mac_address": "02:00:00:00:00:08", "joint": "macvtap", "up": false, "mtu": 9000}]})json");
  const auto items = type("bridged-nic").enumerate(Json::object());
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].id, "bridge br0");
  EXPECT_EQ(items[1].id, "address 02:00:00:00:00:08");
  EXPECT_EQ(items[1].label, "eth7");
  EXPECT_EQ(items[1].spec, Json({{"interface", "eth7"}, {"joint", "macvtap"}, {"mac_address", "02:00:00:00:00:08"}, {"mtu", 9000}, {"up", false}, {"present", true}}));
}

}  // namespace
}  // namespace velocity::plugin
