#include "framework/store/database.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <fstream>

#include "framework/model/error.hpp"
#include "framework/store/schema.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::store {
namespace {

using model::Gid;
using model::Uid;

class DatabaseTest : public testing::Test {
 protected:
  std::filesystem::path file() const { return directory_ / "velocity.db"; }

  // Two groups, a user, a catalog, a disk and a machine with all that can hang on them.
  static void fill(Transaction& transaction) {
    transaction.put(model::Group{Gid{4}, "alice"});
    transaction.put(model::Group{Gid{5}, "guests"});
    transaction.put(model::User{Uid{1}, "alice", "hash", Gid{4}, {Gid{4}, Gid{5}}});
    transaction.put(model::Authkey{{1, 2, 3}, Uid{1}, 99});
    transaction.put(catalog());
    transaction.put(disk());
    transaction.put(overlay());
    transaction.put(machine());
    transaction.put(model::Quota{Gid{4}, {8, std::nullopt, 4096, 0}});
    transaction.put(model::Snapshot{snapshot_id(), machine().id, "before", true, {{"name", "web"}}, 10, model::Phase::ready});
    transaction.put(model::Pool{"fast", {{"type", "dir"}}, 11, model::Phase::creating});
    transaction.put(model::Reply{Uid{1}, "key", {7, 8}, 200, "{}", 12});
    transaction.put(model::Upload{model::UploadId::random(), Uid{1}, Gid{4}, "incoming", "raw", 512, 7, model::ResourceId::random()});
    transaction.set_last(Uid{1});
    transaction.set_last(Gid{5});
  }

  static model::Catalog catalog() { return {catalog_id(), "lab", Gid{4}, {{Gid{5}, model::Permissions(5)}}, model::Phase::ready}; }
  static model::Resource disk() {
    return {disk_id(), model::ResourceKind::storage, "disk-image", "root", Gid{4}, {{"size_mb", 10}, {"format", "raw"}}, 8, model::Phase::ready};
  }
  static model::Resource overlay() {
    auto overlay = disk();
    overlay.id = overlay_id();
    overlay.label = "linked";
    overlay.base = disk_id();
    overlay.shares = {{Gid{5}, model::ResourceRight::manage}};
    overlay.altering = {{"size_mb", 20}};
    overlay.cost = {0, 0, 10, 0};
    return overlay;
  }
  static model::Machine machine() {
    model::Machine machine;
    machine.id = *model::MachineId::parse("11111111-2222-4333-8444-555555555555");
    machine.name = "web";
    machine.catalog = catalog_id();
    machine.type = "efi";
    machine.cpu_count = 2;
    machine.memory_mb = 256;
    machine.displays = {{"main", 800, 600}};
    machine.storage = {{disk_id(), {{"bus", "sata"}}}};
    machine.parts = {{"kernel", overlay_id()}};
    machine.altering = {{"cpu_count", 4}};
    machine.autostart = true;
    machine.spec = {{"secure_boot", false}};
    machine.created = 9;
    return machine;
  }
  static model::CatalogId catalog_id() { return *model::CatalogId::parse("aaaaaaaa-2222-4333-8444-555555555555"); }
  static model::ResourceId disk_id() { return *model::ResourceId::parse("bbbbbbbb-2222-4333-8444-555555555555"); }

  static model::ResourceId overlay_id() { return *model::ResourceId::parse("cccccccc-2222-4333-8444-555555555555"); }
  static model::SnapshotId snapshot_id() { return *model::SnapshotId::parse("dddddddd-2222-4333-8444-555555555555"); }

  // A database as a server of schema 1 left it.
  void make_first_version() {
    SQLite::Database raw(file().string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    raw.exec(migrations()[0]);
    raw.exec(R"sql(
      PRAGMA user_version = 1;
      INSERT INTO groups VALUES (4, 'alice', 'ready');
      INSERT INTO catalogs VALUES ('aaaaaaaa-2222-4333-8444-555555555555', 'lab', 4, 'ready');
      INSERT INTO resources VALUES ('bbbbbbbb-2222-4333-8444-555555555555', 'storage', 'disk-image', 'root', 4, '{"size_mb":10}', 8, 'ready');
      INSERT INTO machines VALUES ('11111111-2222-4333-8444-555555555555', 'web', 'aaaaaaaa-2222-4333-8444-555555555555', 'efi', 'efi', 1, 64, '[]', 0, 0, '{}', 9, 'ready');
      INSERT INTO attachments VALUES ('11111111-2222-4333-8444-555555555555', 'storage', 0, 'bbbbbbbb-2222-4333-8444-555555555555', '{"bus":"sata"}');
    )sql");
  }

  test::TemporaryDirectory directory_;
};

TEST_F(DatabaseTest, WhatWasCommittedIsReadBackByTheNextServer) {
  {
    Database database(file());
    Transaction transaction(database);
    fill(transaction);
    transaction.commit();
  }
  const auto contents = Database(file()).load();
  ASSERT_EQ(contents.users.size(), 1U);
  EXPECT_EQ(contents.users[0].groups, (std::set<Gid>{Gid{4}, Gid{5}}));
  ASSERT_EQ(contents.authkeys.size(), 1U);
  EXPECT_EQ(contents.authkeys[0].hash, (model::AuthkeyHash{1, 2, 3}));
  ASSERT_EQ(contents.catalogs.size(), 1U);
  EXPECT_EQ(contents.catalogs[0].shares.at(Gid{5}), model::Permissions(5));
  ASSERT_EQ(contents.resources.size(), 2U);
  EXPECT_EQ(contents.resources[0].spec, disk().spec);
  EXPECT_EQ(contents.resources[0].base, std::nullopt);
  EXPECT_TRUE(contents.resources[0].altering.is_null());
  EXPECT_EQ(contents.resources[1].base, disk_id());
  EXPECT_EQ(contents.resources[1].shares, overlay().shares);
  EXPECT_EQ(contents.resources[1].cost, overlay().cost);
  EXPECT_EQ(contents.resources[1].altering, overlay().altering);
  ASSERT_EQ(contents.machines.size(), 1U);
  const auto& read = contents.machines[0];
  EXPECT_EQ(read.name, "web");
  EXPECT_EQ(read.displays.at(0).width, 800);
  EXPECT_EQ(read.storage.at(0).resource, disk_id());
  EXPECT_EQ(read.storage.at(0).options, machine().storage[0].options);
  EXPECT_EQ(read.parts, machine().parts);
  EXPECT_EQ(read.altering, machine().altering);
  EXPECT_TRUE(read.autostart);
  ASSERT_EQ(contents.quotas.size(), 1U);
  EXPECT_EQ(contents.quotas[0].limits, (std::array<std::optional<std::int64_t>, 4>{8, std::nullopt, 4096, 0}));
  ASSERT_EQ(contents.snapshots.size(), 1U);
  EXPECT_EQ(contents.snapshots[0].name, "before");
  EXPECT_TRUE(contents.snapshots[0].memory);
  ASSERT_EQ(contents.pools.size(), 1U);
  EXPECT_EQ(contents.pools[0].phase, model::Phase::creating);
  ASSERT_EQ(contents.replies.size(), 1U);
  EXPECT_EQ(contents.replies[0].status, 200);
  EXPECT_EQ(contents.uploads.size(), 1U);
  EXPECT_EQ(contents.last_gid, Gid{5});
}

TEST_F(DatabaseTest, WhatWasNotCommittedIsNotThere) {
  Database database(file());
  {
    Transaction transaction(database);
    fill(transaction);
  }
  EXPECT_TRUE(database.load().users.empty());
}

TEST_F(DatabaseTest, ATransactionThatFailsHalfWayLeavesNothing) {
  Database database(file());
  {
    Transaction transaction(database);
    fill(transaction);
    auto orphan = machine();
    orphan.id = model::MachineId::random();  // the same name in the same catalog
    EXPECT_THROW(transaction.put(orphan), model::Error);
  }
  EXPECT_TRUE(database.load().machines.empty());
  Transaction next(database);
  EXPECT_NO_THROW(fill(next));
}

TEST_F(DatabaseTest, AResourceThatAMachineHasCannotBeErased) {
  Database database(file());
  Transaction transaction(database);
  fill(transaction);
  EXPECT_THROW(transaction.erase(disk_id()), model::Error);
}

TEST_F(DatabaseTest, PuttingAgainReplacesAllThatHangsOnIt) {
  Database database(file());
  {
    Transaction transaction(database);
    fill(transaction);
    auto changed = catalog();
    changed.shares.clear();
    transaction.put(changed);
    auto bare = machine();
    bare.storage.clear();
    transaction.put(bare);
    transaction.commit();
  }
  const auto contents = database.load();
  EXPECT_TRUE(contents.catalogs.at(0).shares.empty());
  EXPECT_TRUE(contents.machines.at(0).storage.empty());
}

TEST_F(DatabaseTest, ADatabaseOfANewerVersionIsRefusedAndLeftAlone) {
  { const Database database(file()); }
  {
    SQLite::Database raw(file().string(), SQLite::OPEN_READWRITE);
    raw.exec("PRAGMA user_version = 999");
  }
  EXPECT_THROW(Database{file()}, model::Error);
  SQLite::Database raw(file().string(), SQLite::OPEN_READONLY);
  EXPECT_EQ(raw.execAndGet("PRAGMA user_version").getInt(), 999);
}

TEST_F(DatabaseTest, AnOlderDatabaseIsMigratedWithAllThatIsInItAfterACopy) {
  make_first_version();
  const auto contents = Database(file()).load();
  ASSERT_EQ(contents.machines.size(), 1U);
  ASSERT_EQ(contents.machines[0].storage.size(), 1U);
  EXPECT_EQ(contents.machines[0].storage[0].options, machine().storage[0].options);
  ASSERT_EQ(contents.resources.size(), 1U);
  EXPECT_EQ(contents.resources[0].pool, model::kDefaultPool);
  EXPECT_EQ(contents.resources[0].cost, (model::Amounts{0, 0, 10, 0}));
  SQLite::Database copy(file().string() + ".before-2", SQLite::OPEN_READONLY);
  EXPECT_EQ(copy.execAndGet("PRAGMA user_version").getInt(), 1);
  EXPECT_EQ(copy.execAndGet("SELECT count(*) FROM attachments").getInt(), 1);
}

TEST_F(DatabaseTest, ABaseAndItsOverlayAreErasedTogetherInAnyOrder) {
  Database database(file());
  Transaction transaction(database);
  fill(transaction);
  transaction.erase(machine().id);
  transaction.erase(disk_id());
  transaction.erase(overlay_id());
  EXPECT_NO_THROW(transaction.commit());
}

TEST_F(DatabaseTest, ABaseIsNotErasedUnderItsOverlay) {
  Database database(file());
  {
    Transaction transaction(database);
    fill(transaction);
    transaction.erase(machine().id);
    transaction.erase(disk_id());
    EXPECT_THROW(transaction.commit(), model::Error);
  }
  EXPECT_TRUE(database.load().resources.empty());
}

TEST_F(DatabaseTest, ANewDatabaseHasTheNewestSchema) {
  { const Database database(file()); }
  SQLite::Database raw(file().string(), SQLite::OPEN_READONLY);
  EXPECT_EQ(raw.execAndGet("PRAGMA user_version").getInt(), static_cast<int>(migrations().size()));
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsRefused) {
  std::ofstream(file()) << std::string(8192, 'x');
  EXPECT_THROW(Database{file()}, model::Error);
}

TEST_F(DatabaseTest, ARowThatCannotBeUnderstoodIsRefusedInsteadOfSkipped) {
  {
    Database database(file());
    Transaction transaction(database);
    fill(transaction);
    transaction.commit();
  }
  {
    SQLite::Database raw(file().string(), SQLite::OPEN_READWRITE);
    raw.exec("UPDATE machines SET vmid = 'not a uuid'");
  }
  Database database(file());
  EXPECT_THROW(database.load(), model::Error);
}

TEST_F(DatabaseTest, OnlyItsOwnerCanReadIt) {
  const Database database(file());
  EXPECT_EQ(std::filesystem::status(file()).permissions(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

}  // namespace
}  // namespace velocity::store
