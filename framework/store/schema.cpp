#include "framework/store/schema.hpp"

#include <array>

namespace velocity::store {
namespace {

// Identifiers are UUIDs as text, so that a person with the sqlite3 shell can read the tables. `phase` is the journal: an index finds
// what is not ready at once.
constexpr const char* kFirst = R"sql(
CREATE TABLE counters (
  name TEXT PRIMARY KEY, value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('uid', 0), ('gid', 3);

CREATE TABLE groups (
  gid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, phase TEXT NOT NULL CHECK (phase IN ('creating', 'ready', 'deleting'))
) STRICT;

CREATE TABLE users (
  uid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL, own_group INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
  uid INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
  gid INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
  PRIMARY KEY (uid, gid)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_of_group ON members (gid);

CREATE TABLE authkeys (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32), uid INTEGER NOT NULL REFERENCES users ON DELETE CASCADE, expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX authkeys_of_user ON authkeys (uid);

CREATE TABLE catalogs (
  cid TEXT PRIMARY KEY, label TEXT NOT NULL, gid INTEGER NOT NULL REFERENCES groups,
  phase TEXT NOT NULL CHECK (phase IN ('creating', 'ready', 'deleting'))
) STRICT, WITHOUT ROWID;
CREATE INDEX catalogs_not_ready ON catalogs (phase) WHERE phase <> 'ready';

CREATE TABLE shares (
  cid TEXT NOT NULL REFERENCES catalogs ON DELETE CASCADE,
  gid INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
  permissions INTEGER NOT NULL CHECK (permissions BETWEEN 0 AND 127),
  PRIMARY KEY (cid, gid)
) STRICT, WITHOUT ROWID;

CREATE TABLE resources (
  rid TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('storage', 'nic')), type TEXT NOT NULL, label TEXT NOT NULL,
  gid INTEGER NOT NULL REFERENCES groups, spec TEXT NOT NULL CHECK (json_valid(spec)), created INTEGER NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('creating', 'ready', 'deleting')),
  UNIQUE (gid, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX resources_not_ready ON resources (phase) WHERE phase <> 'ready';

CREATE TABLE machines (
  vmid TEXT PRIMARY KEY, name TEXT NOT NULL, cid TEXT NOT NULL REFERENCES catalogs, type TEXT NOT NULL, plugin TEXT NOT NULL,
  cpu_count INTEGER NOT NULL CHECK (cpu_count > 0), memory_mb INTEGER NOT NULL CHECK (memory_mb > 0),
  displays TEXT NOT NULL CHECK (json_valid(displays)), autostart INTEGER NOT NULL, rosetta INTEGER NOT NULL,
  spec TEXT NOT NULL CHECK (json_valid(spec)), created INTEGER NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('creating', 'ready', 'deleting')),
  UNIQUE (cid, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX machines_not_ready ON machines (phase) WHERE phase <> 'ready';

CREATE TABLE attachments (
  vmid TEXT NOT NULL REFERENCES machines ON DELETE CASCADE, list TEXT NOT NULL CHECK (list IN ('storage', 'nic')),
  place INTEGER NOT NULL, rid TEXT NOT NULL REFERENCES resources, options TEXT NOT NULL CHECK (json_valid(options)),
  PRIMARY KEY (vmid, list, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX attachments_of_resource ON attachments (rid);

CREATE TABLE uploads (
  id TEXT PRIMARY KEY, uid INTEGER NOT NULL REFERENCES users ON DELETE CASCADE, gid INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
  label TEXT NOT NULL, format TEXT NOT NULL, length INTEGER NOT NULL CHECK (length > 0), created INTEGER NOT NULL, rid TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::array kMigrations{kFirst};

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

}  // namespace velocity::store
