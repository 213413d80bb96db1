// The SQLite connection behind Database, and the wall that turns SQLite's errors into ours. Included inside this room only.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <map>
#include <string>

#include "framework/store/database.hpp"

namespace velocity::store {

struct Connection {
  SQLite::Database sqlite;
  std::map<std::string, SQLite::Statement> prepared;
  unsigned long long statements = 0;

  explicit Connection(const std::filesystem::path& file);
  // A statement ready to be bound. It belongs to the connection and is valid until the next call with the same text.
  SQLite::Statement& statement(const std::string& sql);
};

[[noreturn]] void rethrow(const SQLite::Exception& error);

// Calls `work`; SQLite's exceptions leave as Error(storage_full | storage_failed).
template <class Work>
auto walled(Work work) {
  try {
    return work();
  } catch (const SQLite::Exception& error) {
    rethrow(error);
  }
}

}  // namespace velocity::store
