// Storage pools of a libvirt, over its test driver, which has volumes of every type of pool and bytes in none.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using nlohmann::json;
using test::refusal;

constexpr const char* kNode = R"(<node>
  <pool type='dir'><name>files</name><target><path>/srv/files</path></target></pool>
  <pool type='netfs'><name>share</name><source><host name='nas'/><dir path='/export'/></source><target><path>/srv/share</path></target></pool>
  <pool type='logical'><name>group</name><source><name>group</name><device path='/dev/sdz'/></source><target><path>/dev/group</path></target></pool>
  <pool type='iscsi'><name>luns</name><source><host name='san'/><device path='iqn.2020-01.org.example:x'/></source><target><path>/dev/disk/by-path</path></target></pool>
  <pool type='rbd'><name>ceph</name><source><name>vms</name><host name='mon'/></source></pool>
</node>
)";

class LibvirtPoolsTest : public testing::Test {
 protected:
  LibvirtPoolsTest() {
    house_->accounts.create_root("root-password");
    house_->accounts.create_user(root(), "alice", "password-1", {});
    house_->accounts.create_user(root(), "keeper", "password-1", {model::kPoolManagers});
    house_->host.facts();
  }

  std::string node() {
    std::ofstream(directory_ / "node.xml") << kNode;
    return "test://" + (directory_ / "node.xml").string();
  }
  Caller root() { return house_->caller("root"); }
  Caller alice() { return house_->caller("alice"); }
  Caller keeper() { return house_->caller("keeper"); }
  model::ResourceId make(const std::string& label, const json& spec) {
    return house_->resources.create(alice(), "disk-image", alice().user().own_group, label, spec)->id;
  }
  std::map<std::string, PoolView> pools(const Caller& caller) {
    std::map<std::string, PoolView> named;
    for (auto& view : house_->pools.list(caller)) named.emplace(view.pool.name, view);
    return named;
  }
  bool libvirt_has(const std::string& pool, model::ResourceId disk) { return libvirt::StoragePools(house_->host).has(pool, disk.text()); }
  std::string definition(const std::vector<model::ResourceId>& disks) {
    const auto catalog = house_->catalogs.create(root(), alice().user().own_group, "c");
    model::Machine wanted;
    wanted.name = "m";
    wanted.catalog = catalog;
    wanted.type = "efi";
    wanted.cpu_count = 1;
    wanted.memory_mb = 64;
    for (const auto& disk : disks) wanted.storage.push_back({disk});
    machine_ = house_->machines.create(alice(), wanted).id;
    return house_->host.domain_xml(machine_);
  }

  test::TemporaryDirectory directory_;
  std::optional<test::House> house_{std::in_place, directory_ / "state", node()};
  model::MachineId machine_;
};

TEST_F(LibvirtPoolsTest, ManagersSeeThemAllAndOthersThoseThatAreTakenUp) {
  EXPECT_EQ(pools(alice()).size(), 1U);
  auto seen = pools(keeper());
  ASSERT_EQ(seen.size(), 6U);
  for (const auto& [name, type] : {std::pair("files", "dir"), {"share", "netfs"}, {"group", "logical"}, {"luns", "iscsi"}, {"ceph", "rbd"}}) {
    const auto& view = seen.at(name);
    EXPECT_EQ(view.pool.spec.at("type"), type);
    EXPECT_EQ(view.state, "running");
    EXPECT_FALSE(view.offered);
    EXPECT_GT(view.size_mb.value_or(0), 0);
    EXPECT_GT(view.free_mb.value_or(0), 0);
  }
  EXPECT_EQ(refusal([&] { make("d", {{"size_mb", 1}, {"pool", "files"}}); }), ErrorCode::pool_not_found) << "nobody has taken it up";
  EXPECT_EQ(house_->pools.take_up(keeper(), "files").spec.at("path"), "/srv/files");
  seen = pools(alice());
  ASSERT_EQ(seen.count("files"), 1U);
  EXPECT_TRUE(seen.at("files").offered);
  EXPECT_FALSE(seen.at("files").tells_path);
  EXPECT_EQ(seen.at("files").state, "running");
  EXPECT_EQ(pools(keeper()).size(), 6U) << "and it is there once";
}

TEST_F(LibvirtPoolsTest, WhatCannotBeTakenUpIsRefused) {
  EXPECT_EQ(refusal([&] { house_->pools.take_up(alice(), "files"); }), ErrorCode::pool_denied);
  EXPECT_EQ(refusal([&] { house_->pools.take_up(keeper(), "nowhere"); }), ErrorCode::pool_not_found);
  EXPECT_EQ(refusal([&] { house_->pools.take_up(keeper(), "luns"); }), ErrorCode::request_invalid);
  EXPECT_EQ(refusal([&] { house_->pools.take_up(keeper(), "ceph"); }), ErrorCode::request_invalid);
  house_->pools.take_up(keeper(), "files");
  EXPECT_EQ(refusal([&] { house_->pools.take_up(keeper(), "files"); }), ErrorCode::pool_name_taken);
}

TEST_F(LibvirtPoolsTest, ADiskIsMadeThereByLibvirtAndRemovedByIt) {
  house_->pools.take_up(keeper(), "files");
  const auto disk = make("d", {{"size_mb", 3}, {"pool", "files"}});
  EXPECT_TRUE(libvirt_has("files", disk));
  EXPECT_EQ(refusal([&] { house_->pools.remove(keeper(), "files"); }), ErrorCode::pool_in_use);
  EXPECT_NE(definition({disk}).find("<source file='/srv/files/" + disk.text() + "'/>"), std::string::npos);
  house_.reset();
  house_.emplace(directory_ / "state", "test://" + (directory_ / "node.xml").string());
  EXPECT_EQ(house_->volumes.path(disk), "/srv/files/" + disk.text()) << "after a restart";
}

TEST_F(LibvirtPoolsTest, ADiskLeavesWithItsResourceAndThePoolStaysLibvirts) {
  house_->pools.take_up(keeper(), "share");
  const auto disk = make("d", {{"size_mb", 1}, {"pool", "share"}, {"format", "raw"}});
  house_->resources.remove(alice(), disk);
  EXPECT_FALSE(libvirt_has("share", disk));
  house_->pools.remove(keeper(), "share");
  EXPECT_FALSE(pools(keeper()).at("share").offered);
}

TEST_F(LibvirtPoolsTest, WhereVolumesAreDevicesAMachineGetsADevice) {
  house_->pools.take_up(keeper(), "group");
  EXPECT_EQ(refusal([&] { make("q", {{"size_mb", 1}, {"pool", "group"}}); }), ErrorCode::image_unsupported) << "a qcow2";
  const auto disk = make("d", {{"size_mb", 1}, {"pool", "group"}, {"format", "raw"}});
  const auto xml = definition({disk});
  EXPECT_NE(xml.find("<source dev='/dev/group/" + disk.text() + "'/>"), std::string::npos) << xml;
  EXPECT_NE(xml.find("<disk type='block' device='disk'>"), std::string::npos) << xml;
}

// A pool whose libvirt takes longer than anybody waits.
class SlowPool final : public storage::RemotePool {
 public:
  std::filesystem::path path(const std::string& volume) const override { return "/slow/" + volume; }
  bool of_devices() const override { return false; }
  bool has(const std::string& volume) const override { return volumes.count(volume) > 0; }
  void create(const std::string& volume, storage::ImageFormat, std::int64_t) override {
    asked = volume;
    throw model::Error(ErrorCode::hypervisor_timeout, "The hypervisor did not answer in time");
  }
  void remove(const std::string& volume) override { volumes.erase(volume); }
  void grow(const std::string&, storage::ImageFormat, std::int64_t) override {}
  void upload(const std::string&, const std::filesystem::path&) override {}
  void download(const std::string&, const std::filesystem::path&, std::uint64_t) override {}

  std::string asked;
  std::set<std::string> volumes;
};

TEST_F(LibvirtPoolsTest, ADiskThatIsMadeAfterAllWhenNobodyWaitsForItAnyMoreIsTakenBack) {
  for (int i = 0; i < 500 && house_->recovery.rounds() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  house_->pools.take_up(keeper(), "files");
  const auto slow = std::make_shared<SlowPool>();
  house_->volumes.open_pool("files", slow);
  EXPECT_EQ(refusal([&] { make("d", {{"size_mb", 1}, {"pool", "files"}}); }), ErrorCode::hypervisor_timeout);
  EXPECT_TRUE(house_->resources.list(alice(), {}).empty());
  slow->volumes.insert(slow->asked);
  house_->removal.carry_out(house_->removal.left_over());
  EXPECT_TRUE(slow->volumes.empty());
  EXPECT_NO_THROW(house_->pools.remove(keeper(), "files")) << "nothing of it is left";
}

TEST_F(LibvirtPoolsTest, WhatLibvirtCannotDoLeavesNothingBehind) {
  house_->pools.take_up(keeper(), "files");
  const auto source = make("s", {{"size_mb", 1}});
  EXPECT_EQ(refusal([&] { make("c", {{"source", source.text()}, {"pool", "files"}}); }), ErrorCode::image_unsupported) << "the test driver takes no bytes";
  EXPECT_EQ(house_->resources.list(alice(), {}).size(), 1U);
  const auto disk = make("d", {{"size_mb", 1}, {"pool", "files"}});
  EXPECT_EQ(refusal([&] { make("l", {{"source", disk.text()}, {"linked", true}}); }), ErrorCode::image_unsupported);
  EXPECT_EQ(refusal([&] { house_->resource_changes.alter(alice(), disk, std::nullopt, {{"size_mb", 5}}); }), ErrorCode::image_unsupported);
  EXPECT_EQ(house_->inventory.picture()->resources.find(disk)->spec.at("size_mb"), 1);
  EXPECT_EQ(refusal([&] { house_->contents.open(alice(), disk); }), ErrorCode::image_unsupported);
  definition({disk});
  EXPECT_EQ(refusal([&] { house_->snapshots.take(alice(), machine_, "s"); }), ErrorCode::snapshot_impossible);
}

}  // namespace
}  // namespace velocity::service
