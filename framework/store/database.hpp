// The database of one state directory: schema, migrations, transactions, and loading everything at start. Included by the inventory,
// which is the only one to write; nobody reads from it while the server runs.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "framework/model/catalog.hpp"
#include "framework/model/machine.hpp"
#include "framework/model/quota.hpp"
#include "framework/model/resource.hpp"
#include "framework/model/user.hpp"

namespace velocity::store {

struct Contents {
  std::vector<model::User> users;
  std::vector<model::Group> groups;
  std::vector<model::Authkey> authkeys;
  std::vector<model::Catalog> catalogs;
  std::vector<model::Machine> machines;
  std::vector<model::Resource> resources;
  std::vector<model::Upload> uploads;
  std::vector<model::Quota> quotas;
  std::vector<model::Snapshot> snapshots;
  std::vector<model::Pool> pools;
  std::vector<model::Reply> replies;
  model::Uid last_uid{};
  model::Gid last_gid{};
};

class Transaction;
struct Connection;  // connection.hpp

// One connection; the caller sees to it that one thread at a time uses it. Every function throws Error(storage_full | storage_failed); SQLite's own text is
// in the detail. WAL, synchronous=FULL: what is committed survives a loss of power.
class Database {
 public:
  // Creates the file or migrates it to this version's schema, after a copy beside it (velocity.db.before-N). Refuses a database of a newer version
  // and one that is damaged, saying what to do.
  explicit Database(const std::filesystem::path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Contents load();
  unsigned long long statements() const;  // run so far; reads of the API must not move it

 private:
  friend class Transaction;
  std::unique_ptr<Connection> connection_;
};

// BEGIN IMMEDIATE at construction; rolled back unless commit() was called.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Insert, or replace the row with the same key, with all that hangs on it (memberships, shares, attachments).
  void put(const model::User& user);
  void put(const model::Group& group);
  void put(const model::Authkey& authkey);
  void put(const model::Catalog& catalog);
  void put(const model::Machine& machine);
  void put(const model::Resource& resource);
  void put(const model::Upload& upload);
  void put(const model::Quota& quota);
  void put(const model::Snapshot& snapshot);
  void put(const model::Pool& pool);
  void put(const model::Reply& reply);
  void erase(model::Uid uid);
  void erase(model::Gid gid);
  void erase(const model::AuthkeyHash& hash);
  void erase(model::CatalogId id);
  void erase(model::MachineId id);
  void erase(model::ResourceId id);
  void erase(model::UploadId id);
  void erase(model::SnapshotId id);
  void erase_pool(const std::string& name);
  void erase_reply(model::Uid uid, const std::string& key);
  void set_last(model::Uid uid);
  void set_last(model::Gid gid);
  void commit();

 private:
  Connection& connection_;
  bool open_ = true;
};

}  // namespace velocity::store
