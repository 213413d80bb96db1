// NICs as the services see them: what is found on the host, what is for one machine alone, what not everybody may ask for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using network::Joint;
using test::member;
using test::refusal;
using test::refusal_of;

class NicsTest : public testing::Test {
 protected:
  NicsTest() {
    house_.accounts.create_root("root-password");
    house_.accounts.create_user(root(), "alice", "password-1", {});
    house_.accounts.create_user(root(), "pat", "password-1", {model::kPoolManagers});
    catalog_ = house_.catalogs.create(root(), model::kRootGroup, "c");
    house_.host.facts();
  }
  // Every host of test:///default in one process has the same domains.
  ~NicsTest() override { house_.catalogs.remove(root(), catalog_); }

  Caller root() { return house_.caller("root"); }

  // The resources that were found, by the host's name for each.
  std::map<std::string, std::shared_ptr<const model::Resource>> found() {
    std::map<std::string, std::shared_ptr<const model::Resource>> rows;
    for (const auto& view : house_.resources.list(root(), {}))
      if (!view.resource->found.empty()) rows[view.resource->found] = view.resource;
    return rows;
  }
  void host_has(std::vector<network::Interface> interfaces) {
    house_.interfaces = std::make_shared<const test::House::Interfaces>(std::move(interfaces));
    house_.found.refresh();
  }
  static network::Interface bridge(const std::string& name) { return {name, "02:00:00:00:00:07", Joint::bridge, true, 1500, "bridge " + name}; }
  static network::Interface card(const std::string& name) { return {name, "02:00:00:00:00:08", Joint::macvtap, true, 1500, "address 02:00:00:00:00:08"}; }

  model::ResourceId nic(const std::string& type, const std::string& label, const nlohmann::json& spec = nlohmann::json::object()) {
    return house_.resources.create(root(), type, model::kRootGroup, label, spec)->id;
  }
  model::MachineId machine(const std::string& name, const std::vector<model::ResourceId>& nics) {
    model::Machine wanted;
    wanted.name = name;
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.memory_mb = 64;
    for (const auto& id : nics) wanted.nics.push_back({id});
    return house_.machines.create(root(), wanted).id;
  }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
  model::CatalogId catalog_;
};

TEST_F(NicsTest, WhatTheHostHasIsAResourceOfRootUnderTheHostsName) {
  host_has({bridge("br0"), card("eth1")});
  const auto rows = found();
  ASSERT_EQ(rows.size(), 2U);
  const auto& row = *rows.at("bridge br0");
  EXPECT_EQ(row.group, model::kRootGroup);
  EXPECT_EQ(row.label, "br0");
  EXPECT_EQ(row.spec.at("interface"), "br0");
  EXPECT_EQ(row.spec.at("present"), true);
  EXPECT_EQ(rows.at("address 02:00:00:00:00:08")->spec.at("joint"), "macvtap");
  EXPECT_TRUE(house_.resources.list(house_.caller("alice"), {}).empty());
  EXPECT_EQ(house_.resources.list(house_.caller("pat"), {}).size(), 2U);
}

TEST_F(NicsTest, ItKeepsItsIdWhenItIsRenamedOrVanishesAndComesBack) {
  host_has({bridge("br0"), card("eth1")});
  const auto before = found();
  host_has({bridge("br0"), card("uplink")});
  EXPECT_EQ(found().at("address 02:00:00:00:00:08")->id, before.at("address 02:00:00:00:00:08")->id);
  EXPECT_EQ(found().at("address 02:00:00:00:00:08")->spec.at("interface"), "uplink");
  host_has({card("uplink")});
  EXPECT_EQ(found().at("bridge br0")->spec.at("present"), false);
  host_has({bridge("br0"), card("uplink")});
  EXPECT_EQ(found().at("bridge br0")->spec.at("present"), true);
  EXPECT_EQ(found().at("bridge br0")->id, before.at("bridge br0")->id);
}

TEST_F(NicsTest, NewsOfTheHostsDevicesIsActedOnByItself) {
  house_.interfaces = std::make_shared<const test::House::Interfaces>(test::House::Interfaces{bridge("br9")});
  house_.observer.host_devices_changed();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (found().empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(found().count("bridge br9"), 1U);
}

TEST_F(NicsTest, ALabelThatIsTakenIsNotTakenTwice) {
  nic("user-nic", "br0");
  host_has({bridge("br0")});
  EXPECT_EQ(found().at("bridge br0")->label, "br0 (2)");
}

TEST_F(NicsTest, WhatIsFoundIsNeitherMadeNorRemovedWhileItIsThere) {
  EXPECT_EQ(refusal([&] { nic("bridged-nic", "mine", {{"interface", "eth0"}, {"joint", "macvtap"}}); }), ErrorCode::resource_found);
  host_has({bridge("br0")});
  const auto id = found().at("bridge br0")->id;
  EXPECT_EQ(refusal([&] { house_.resources.remove(root(), id); }), ErrorCode::resource_found);
  host_has({});
  house_.resources.remove(root(), id);
  EXPECT_TRUE(found().empty());
}

TEST_F(NicsTest, AMachineOnABridgeIsDefinedWithItAndStarts) {
  host_has({bridge("br0")});
  const auto id = machine("bridged", {found().at("bridge br0")->id});
  EXPECT_NE(house_.host.domain_xml(id).find("<source bridge='br0'/>"), std::string::npos);
  EXPECT_EQ(house_.power.change(root(), id, {}).state, model::MachineState::RUNNING);
  house_.power.change(root(), id, {model::MachineState::STOPPED, true, {}});
}

TEST_F(NicsTest, AMachineFollowsItsRenamedInterfaceAtItsNextStart) {
  host_has({card("eth1")});
  const auto id = machine("bridged", {found().at("address 02:00:00:00:00:08")->id});
  host_has({card("uplink")});
  house_.power.change(root(), id, {});
  EXPECT_NE(house_.host.domain_xml(id).find("<source dev='uplink' mode='bridge'/>"), std::string::npos);
  house_.power.change(root(), id, {model::MachineState::STOPPED, true, {}});
}

TEST_F(NicsTest, AMachineWhoseInterfaceHasVanishedDoesNotStartAndNamesTheNic) {
  host_has({bridge("br0")});
  const auto nic_id = found().at("bridge br0")->id;
  const auto id = machine("left behind", {nic_id});
  host_has({});
  const auto error = refusal_of([&] { house_.power.change(root(), id, {}); });
  EXPECT_EQ(error.code(), ErrorCode::resource_gone);
  EXPECT_EQ(member(error, "rid"), nic_id.text());
  EXPECT_EQ(house_.machines.state(root(), id).state, model::MachineState::STOPPED);
}

TEST_F(NicsTest, AnAddressOnTheHostsNetworkIsOneMachinesAlone) {
  host_has({bridge("br0"), card("eth1")});
  const auto br0 = found().at("bridge br0")->id, eth1 = found().at("address 02:00:00:00:00:08")->id;
  const auto with = [](model::ResourceId id, const char* address) { return model::Attachment{id, {{"mac_address", address}}}; };
  const auto make = [&](const std::string& name, const std::vector<model::Attachment>& nics) {
    model::Machine wanted;
    wanted.name = name;
    wanted.catalog = catalog_;
    wanted.type = "efi";
    wanted.memory_mb = 64;
    wanted.nics = nics;
    return house_.machines.create(root(), wanted).id;
  };
  const auto first = make("first", {with(br0, "02:00:00:00:00:11")});
  for (const auto& nic : {with(br0, "02:00:00:00:00:11"), with(eth1, "02:00:00:00:00:11"), with(br0, "02:00:00:00:00:07"), with(br0, "02:00:00:00:00:08")}) {
    const auto error = refusal_of([&] { make("second", {nic}); });
    EXPECT_EQ(error.code(), ErrorCode::resource_in_use) << nic.options;
    EXPECT_EQ(member(error, "mac_address"), nic.options.at("mac_address"));
  }
  EXPECT_EQ(refusal([&] { make("second", {with(br0, "02:00:00:00:00:12"), with(eth1, "02:00:00:00:00:12")}); }), ErrorCode::resource_in_use);
  const auto apart = make("apart", {with(nic("user-nic", "out"), "02:00:00:00:00:11")});
  const auto second = make("second", {with(br0, "02:00:00:00:00:12")});
  MachineChange change;
  change.nics = std::vector<model::Attachment>{with(br0, "02:00:00:00:00:11")};
  EXPECT_EQ(refusal([&] { house_.alterations.alter(root(), second, change); }), ErrorCode::resource_in_use);
  EXPECT_EQ(refusal([&] { house_.alterations.alter(root(), apart, change); }), ErrorCode::resource_in_use) << "it had it elsewhere";
  EXPECT_NO_THROW(house_.alterations.alter(root(), first, change)) << "it is its own";
  change.nics = std::vector<model::Attachment>{with(eth1, "02:00:00:00:00:11")};
  EXPECT_NO_THROW(house_.alterations.alter(root(), first, change));
  house_.machines.remove(root(), first);
  EXPECT_NO_THROW(house_.alterations.alter(root(), second, change)) << "it is free again";
}

TEST_F(NicsTest, ASocketHasOneGuestBehindItAndOthersMayBeShared) {
  const auto wire = nic("file-handle-nic", "wire"), way_out = nic("user-nic", "way out");
  const auto first = machine("first", {wire, way_out});
  const auto error = refusal_of([&] { machine("second", {wire}); });
  EXPECT_EQ(error.code(), ErrorCode::resource_in_use);
  EXPECT_EQ(member(error, "vmid"), first.text());
  machine("second", {way_out});
}

TEST_F(NicsTest, TheDirectoryOfASocketComesAndGoesWithIt) {
  const auto wire = nic("file-handle-nic", "wire");
  const auto directory = house_.blueprint.directory(wire);
  EXPECT_TRUE(std::filesystem::is_directory(directory));
  EXPECT_EQ(std::filesystem::status(directory).permissions(), std::filesystem::perms::owner_all);
  EXPECT_EQ(house_.resources.get(root(), wire).facts.at("socket"), (directory / "guest").string());
  house_.resources.remove(root(), wire);
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(NicsTest, APortThatOthersCouldReachIsForPoolManagers) {
  const nlohmann::json open{{"forwards", {{{"host_port", 8080}, {"guest_port", 80}, {"host_address", "0.0.0.0"}}}}};
  const auto make = [&](const char* who, const nlohmann::json& spec) {
    const auto caller = house_.caller(who);
    return house_.resources.create(caller, "user-nic", caller.user().own_group, "out", spec);
  };
  const auto error = refusal_of([&] { make("alice", open); });
  EXPECT_EQ(error.code(), ErrorCode::resource_denied);
  EXPECT_THAT(error.message(), testing::HasSubstr("/forwards/0/host_address"));
  EXPECT_NO_THROW(make("alice", {{"forwards", {{{"host_port", 8080}, {"guest_port", 80}}}}}));
  EXPECT_NO_THROW(make("pat", open));
}

TEST_F(NicsTest, AnAlterationGivesNobodyWhatItCouldNotMake) {
  const auto alice = house_.caller("alice");
  const auto id = house_.resources.create(alice, "user-nic", alice.user().own_group, "n", nlohmann::json::object())->id;
  const nlohmann::json open{{"forwards", {{{"host_port", 8080}, {"guest_port", 80}, {"host_address", "0.0.0.0"}}}}};
  EXPECT_EQ(refusal([&] { house_.resource_changes.alter(alice, id, std::nullopt, open); }), ErrorCode::resource_denied);
}

}  // namespace
}  // namespace velocity::service
