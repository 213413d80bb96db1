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

// Shares and overlays of resources, what a machine's own fields name, quotas, snapshots, pools, answers kept for a retry. A column
// `altering` is the journal of an alteration, as `phase` is of making and removing.
constexpr const char* kSecond = R"sql(
ALTER TABLE resources ADD COLUMN base TEXT REFERENCES resources DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE resources ADD COLUMN pool TEXT NOT NULL DEFAULT 'default';
ALTER TABLE resources ADD COLUMN found TEXT NOT NULL DEFAULT '';
ALTER TABLE resources ADD COLUMN cost TEXT NOT NULL DEFAULT '[0,0,0,0]' CHECK (json_valid(cost));
UPDATE resources SET cost = json_array(0, 0, json_extract(spec, '$.size_mb'), 0) WHERE type = 'disk-image';
ALTER TABLE resources ADD COLUMN altering TEXT NOT NULL DEFAULT 'null' CHECK (json_valid(altering));
CREATE INDEX overlays_of_resource ON resources (base) WHERE base IS NOT NULL;

CREATE TABLE resource_shares (
  rid TEXT NOT NULL REFERENCES resources ON DELETE CASCADE,
  gid INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
  access TEXT NOT NULL CHECK (access IN ('use', 'manage')),
  PRIMARY KEY (rid, gid)
) STRICT, WITHOUT ROWID;

ALTER TABLE machines ADD COLUMN altering TEXT NOT NULL DEFAULT 'null' CHECK (json_valid(altering));

CREATE TABLE new_attachments (
  vmid TEXT NOT NULL REFERENCES machines ON DELETE CASCADE, list TEXT NOT NULL CHECK (list IN ('storage', 'nic', 'part')),
  place INTEGER NOT NULL, rid TEXT NOT NULL REFERENCES resources, options TEXT NOT NULL CHECK (json_valid(options)),
  PRIMARY KEY (vmid, list, place)
) STRICT, WITHOUT ROWID;
INSERT INTO new_attachments SELECT vmid, list, place, rid, options FROM attachments;
DROP TABLE attachments;
ALTER TABLE new_attachments RENAME TO attachments;
CREATE INDEX attachments_of_resource ON attachments (rid);

CREATE TABLE quotas (
  gid INTEGER PRIMARY KEY REFERENCES groups ON DELETE CASCADE,
  vcpus INTEGER, memory_mb INTEGER, storage_mb INTEGER, vms INTEGER
) STRICT;

CREATE TABLE snapshots (
  sid TEXT PRIMARY KEY, vmid TEXT NOT NULL REFERENCES machines ON DELETE CASCADE, name TEXT NOT NULL, memory INTEGER NOT NULL,
  machine TEXT NOT NULL CHECK (json_valid(machine)), created INTEGER NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('creating', 'ready', 'deleting')),
  UNIQUE (vmid, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE pools (
  name TEXT PRIMARY KEY, spec TEXT NOT NULL CHECK (json_valid(spec)), created INTEGER NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('creating', 'ready', 'deleting'))
) STRICT, WITHOUT ROWID;

CREATE TABLE replies (
  uid INTEGER NOT NULL REFERENCES users ON DELETE CASCADE, key TEXT NOT NULL, request BLOB NOT NULL CHECK (length(request) = 32),
  status INTEGER NOT NULL, body TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (uid, key)
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::array kMigrations{kFirst, kSecond};

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

}  // namespace velocity::store
