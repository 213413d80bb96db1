// Storage pools: who may make one, of what, and that a disk is where its pool is.
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using nlohmann::json;
using test::member;
using test::refusal;
using test::refusal_of;
namespace fs = std::filesystem;

class PoolsTest : public testing::Test {
 protected:
  PoolsTest() {
    house_->accounts.create_root("root-password");
    house_->accounts.create_user(root(), "alice", "password-1", {});
    house_->accounts.create_user(root(), "keeper", "password-1", {model::kPoolManagers});
    house_->host.facts();
    fs::create_directory(place());
  }
  fs::path place() const { return directory_ / "elsewhere"; }
  Caller root() { return house_->caller("root"); }
  Caller alice() { return house_->caller("alice"); }
  Caller keeper() { return house_->caller("keeper"); }
  model::ResourceId make(const std::string& label, const json& spec) {
    return house_->resources.create(alice(), "disk-image", alice().user().own_group, label, spec)->id;
  }

  test::TemporaryDirectory directory_;
  std::optional<test::House> house_{std::in_place, directory_ / "state"};
};

TEST_F(PoolsTest, ADiskIsMadeInItsPoolAndFoundThereAgain) {
  std::ofstream(place() / "notes.txt") << "somebody's";
  house_->pools.create(keeper(), "fast", place().string());
  const auto disk = make("d", {{"size_mb", 1}, {"pool", "fast"}});
  const auto file = place() / "velocity" / disk.text();
  EXPECT_EQ(house_->volumes.path(disk), file);
  EXPECT_TRUE(fs::exists(file));
  const auto clone = make("c", {{"source", disk.text()}, {"linked", true}});
  EXPECT_EQ(house_->volumes.path(clone).parent_path(), file.parent_path()) << "a linked clone lies beside its source";
  EXPECT_EQ(refusal([&] { make("x", {{"source", disk.text()}, {"linked", true}, {"pool", "default"}}); }), ErrorCode::request_invalid);
  const auto copy = make("f", {{"source", disk.text()}});
  EXPECT_EQ(house_->volumes.path(copy).parent_path(), house_->state.pool());
  house_.reset();
  house_.emplace(directory_ / "state");
  EXPECT_EQ(house_->volumes.path(disk), file) << "after a restart";
  EXPECT_EQ(house_->volumes.list().size(), 3U);
  house_->resources.remove(alice(), clone);
  house_->resources.remove(alice(), disk);
  EXPECT_FALSE(fs::exists(file));
  house_->pools.remove(keeper(), "fast");
  EXPECT_FALSE(fs::exists(place() / "velocity"));
  EXPECT_TRUE(fs::exists(place() / "notes.txt"));
}

TEST_F(PoolsTest, ThePlaceOfAPoolThatIsNotMountedIsNotMadeAnew) {
  house_->pools.create(root(), "fast", place().string());
  const auto disk = make("d", {{"size_mb", 1}, {"pool", "fast"}});
  house_.reset();
  fs::rename(place() / "velocity", directory_ / "unmounted");
  house_.emplace(directory_ / "state");
  const auto missing = house_->pools.list(root()).at(1);
  EXPECT_EQ(missing.state, "missing");
  EXPECT_FALSE(missing.size_mb);
  const auto error = refusal_of([&] { make("e", {{"size_mb", 1}, {"pool", "fast"}}); });
  EXPECT_EQ(error.code(), ErrorCode::storage_failed);
  EXPECT_NE(error.message().find("mounted"), std::string::npos) << error.message();
  EXPECT_FALSE(fs::exists(place() / "velocity"));
  fs::rename(directory_ / "unmounted", place() / "velocity");
  EXPECT_TRUE(house_->volumes.exists(disk)) << "it is there when its file system is";
  EXPECT_NO_THROW(make("e", {{"size_mb", 1}, {"pool", "fast"}}));
}

TEST_F(PoolsTest, APoolWithADiskInItStays) {
  house_->pools.create(root(), "fast", place().string());
  const auto disk = make("d", {{"size_mb", 1}, {"pool", "fast"}});
  const auto refused = refusal_of([&] { house_->pools.remove(root(), "fast"); });
  EXPECT_EQ(refused.code(), ErrorCode::pool_in_use);
  EXPECT_EQ(member(refused, "rid"), disk.text());
}

TEST_F(PoolsTest, OnlyPoolManagersMakeOneAndAreToldWhereItIs) {
  EXPECT_EQ(refusal([&] { house_->pools.create(alice(), "fast", place().string()); }), ErrorCode::pool_denied);
  EXPECT_EQ(refusal([&] { house_->pools.create(alice(), "fast", "/etc/shadow"); }), ErrorCode::pool_denied) << "and learns nothing of the host";
  house_->pools.create(keeper(), "fast", place().string());
  EXPECT_EQ(refusal([&] { house_->pools.remove(alice(), "fast"); }), ErrorCode::pool_denied);
  EXPECT_EQ(house_->pools.list(alice()).size(), 2U);
  EXPECT_FALSE(house_->pools.list(alice()).at(1).tells_path);
  EXPECT_TRUE(house_->pools.list(keeper()).at(1).tells_path);
}

TEST_F(PoolsTest, NoDirectoryIsAPoolThatCouldNotBeOne) {
  fs::create_directory_symlink(place(), directory_ / "link");
  std::ofstream(directory_ / "file") << "x";
  for (const auto& path : {std::string("relative"), std::string("/nonexistent/x"), (directory_ / "file").string(), (directory_ / "link").string(), place().string() + "/",
                           place().string() + "/../elsewhere", (directory_ / "state").string(), (directory_ / "state" / "pools").string(), (directory_ / "").parent_path().string(),
                           std::string("/")})
    EXPECT_EQ(refusal([&] { house_->pools.create(root(), "p", path); }), ErrorCode::request_invalid) << path;
  house_->pools.create(root(), "fast", place().string());
  fs::create_directory(place() / "below");
  EXPECT_EQ(refusal([&] { house_->pools.create(root(), "q", place().string()); }), ErrorCode::request_invalid);
  EXPECT_EQ(refusal([&] { house_->pools.create(root(), "q", (place() / "below").string()); }), ErrorCode::request_invalid);
  EXPECT_EQ(refusal([&] { house_->pools.create(root(), "fast", place().string()); }), ErrorCode::pool_name_taken);
  EXPECT_EQ(refusal([&] { house_->pools.create(root(), "default", place().string()); }), ErrorCode::pool_name_taken);
  EXPECT_EQ(refusal([&] { house_->pools.remove(root(), "default"); }), ErrorCode::request_invalid);
  EXPECT_EQ(refusal([&] { house_->pools.remove(root(), "none"); }), ErrorCode::pool_not_found);
  EXPECT_EQ(refusal([&] { make("d", {{"size_mb", 1}, {"pool", "none"}}); }), ErrorCode::pool_not_found);
}

}  // namespace
}  // namespace velocity::service
