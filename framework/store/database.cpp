#include "framework/store/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include "framework/model/error.hpp"
#include "framework/store/connection.hpp"
#include "framework/store/schema.hpp"

namespace velocity::store {
namespace {

using model::Error;
using model::ErrorCode;

void check_integrity(SQLite::Database& sqlite, const std::filesystem::path& file) {
  SQLite::Statement check(sqlite, "PRAGMA quick_check(1)");
  if (check.executeStep() && check.getColumn(0).getString() == "ok") return;
  throw Error(ErrorCode::storage_failed,
              fmt::format("The database {} is damaged. Put a backup in its place (velocity.db.before-* beside it, or your own) and start again", file.string()));
}

void copy_before_migration(SQLite::Database& sqlite, const std::filesystem::path& file, int version) {
  const auto copy = fmt::format("{}.before-{}", file.string(), version + 1);
  std::filesystem::remove(copy);
  SQLite::Statement vacuum(sqlite, "VACUUM INTO ?");
  vacuum.bind(1, copy);
  vacuum.exec();
  std::filesystem::permissions(copy, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

void migrate(SQLite::Database& sqlite, const std::filesystem::path& file) {
  const int known = static_cast<int>(migrations().size());
  const int version = sqlite.execAndGet("PRAGMA user_version").getInt();
  if (version > known)
    throw Error(ErrorCode::storage_failed,
                fmt::format("The database {} was made by a newer version of Velocity (schema {}, this one knows {}). Upgrade Velocity", file.string(), version, known));
  if (version > 0 && version < known) copy_before_migration(sqlite, file, version);
  for (int from = version; from < known; ++from) {
    SQLite::Transaction transaction(sqlite, SQLite::TransactionBehavior::IMMEDIATE);
    sqlite.exec(migrations()[static_cast<std::size_t>(from)]);
    sqlite.exec(fmt::format("PRAGMA user_version = {}", from + 1));
    transaction.commit();
  }
}

}  // namespace

void rethrow(const SQLite::Exception& error) {
  if (error.getErrorCode() == SQLITE_FULL)
    throw Error(ErrorCode::storage_full, "The disk with the server's state is full. Nothing was changed", error.what());
  throw Error(ErrorCode::storage_failed, "The database cannot be used", fmt::format("{} (SQLite {})", error.what(), error.getExtendedErrorCode()));
}

Connection::Connection(const std::filesystem::path& file) : sqlite(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) {
  std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  sqlite.setBusyTimeout(5000);
  sqlite.exec("PRAGMA journal_mode = WAL");
  sqlite.exec("PRAGMA synchronous = FULL");
  sqlite.exec("PRAGMA foreign_keys = ON");
  sqlite.exec("PRAGMA cell_size_check = ON");
  check_integrity(sqlite, file);
  migrate(sqlite, file);
}

SQLite::Statement& Connection::statement(const std::string& sql) {
  ++statements;
  auto found = prepared.find(sql);
  if (found == prepared.end()) found = prepared.emplace(sql, SQLite::Statement(sqlite, sql)).first;
  found->second.tryReset();  // reset() would throw again what the last run failed with
  found->second.clearBindings();
  return found->second;
}

Database::Database(const std::filesystem::path& file)
    : connection_(walled([&file] { return std::make_unique<Connection>(file); })) {}

Database::~Database() = default;

unsigned long long Database::statements() const { return connection_->statements; }

Transaction::Transaction(Database& database) : connection_(*database.connection_) {
  walled([this] { connection_.statement("BEGIN IMMEDIATE").exec(); });
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    connection_.statement("ROLLBACK").exec();
  } catch (const SQLite::Exception&) {
    // SQLite has rolled back by itself, as it does when the disk is full.
  }
}

void Transaction::commit() {
  walled([this] { connection_.statement("COMMIT").exec(); });
  open_ = false;
}

}  // namespace velocity::store
