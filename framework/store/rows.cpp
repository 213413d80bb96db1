// The rows of each table: written one at a time by a Transaction, read all at once by Database::load().
#include <algorithm>
#include <string_view>

#include "framework/model/error.hpp"
#include "framework/model/json.hpp"
#include "framework/model/names.hpp"
#include "framework/store/connection.hpp"
#include "framework/store/database.hpp"

namespace velocity::store {
namespace {

using model::Json;

constexpr std::string_view kPart = "part";  // the list of what a machine's own fields name

// Values as SQLite takes them.
void bind(SQLite::Statement& s, int i, std::int64_t value) { s.bind(i, value); }
void bind(SQLite::Statement& s, int i, const std::string& value) { s.bind(i, value); }
void bind(SQLite::Statement& s, int i, std::string_view value) { s.bind(i, std::string(value)); }
void bind(SQLite::Statement& s, int i, model::Uid uid) { s.bind(i, model::number(uid)); }
void bind(SQLite::Statement& s, int i, model::Gid gid) { s.bind(i, model::number(gid)); }
void bind(SQLite::Statement& s, int i, const Json& value) { s.bind(i, value.dump()); }
void bind(SQLite::Statement& s, int i, const model::AuthkeyHash& hash) { s.bind(i, hash.data(), static_cast<int>(hash.size())); }
template <class Tag>
void bind(SQLite::Statement& s, int i, const model::Id<Tag>& id) { s.bind(i, id.text()); }
template <class T>
void bind(SQLite::Statement& s, int i, const std::optional<T>& value) {
  if (value) bind(s, i, *value);  // what is not bound is NULL
}

template <class... Values>
void run(SQLite::Statement& statement, const Values&... values) {
  int i = 0;
  (bind(statement, ++i, values), ...);
  statement.exec();
}

// Values as SQLite gives them. A row that cannot be understood means damage: refuse to serve from it.
[[noreturn]] void damaged(const char* what) {
  throw model::Error(model::ErrorCode::storage_failed, "The database is damaged. Put a backup in its place and start again", what);
}

template <class IdType>
IdType id_at(SQLite::Statement& row, int column) {
  const auto id = IdType::parse(row.getColumn(column).getString());
  if (!id) damaged("an identifier is no UUID");
  return *id;
}

template <class E>
E named_at(SQLite::Statement& row, int column) {
  const auto value = model::find_named<E>(row.getColumn(column).getString());
  if (!value) damaged("an unknown word stands in a column of fixed words");
  return *value;
}

Json json_at(SQLite::Statement& row, int column) { return Json::parse(row.getColumn(column).getString()); }

model::AuthkeyHash hash_at(SQLite::Statement& row, int column) {
  const auto blob = row.getColumn(column);
  model::AuthkeyHash hash;
  if (blob.getBytes() != static_cast<int>(hash.size())) damaged("an authkey's hash has the wrong size");
  std::copy_n(static_cast<const std::uint8_t*>(blob.getBlob()), hash.size(), hash.begin());
  return hash;
}

std::optional<std::int64_t> limit_at(SQLite::Statement& row, int column) {
  const auto value = row.getColumn(column);
  return value.isNull() ? std::nullopt : std::optional(value.getInt64());
}

model::Uid uid_at(SQLite::Statement& row, int column) { return model::Uid{row.getColumn(column).getInt64()}; }
model::Gid gid_at(SQLite::Statement& row, int column) { return model::Gid{row.getColumn(column).getInt64()}; }

Json displays_json(const std::vector<model::Display>& displays) {
  auto list = Json::array();
  for (const auto& d : displays) list.push_back({{"description", d.description}, {"width", d.width}, {"height", d.height}});
  return list;
}

std::vector<model::Display> displays_at(SQLite::Statement& row, int column) {
  std::vector<model::Display> displays;
  for (const auto& d : json_at(row, column))
    displays.push_back({d.at("description").get<std::string>(), static_cast<int>(d.at("width").get<std::int64_t>()),
                        static_cast<int>(d.at("height").get<std::int64_t>())});
  return displays;
}

// By key, so that what hangs on a thing finds it.
template <class Thing, class Key, class KeyOf>
Thing* find_in(std::vector<Thing>& sorted, const Key& key, KeyOf key_of) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), key, [&](const Thing& thing, const Key& wanted) { return key_of(thing) < wanted; });
  return found != sorted.end() && key_of(*found) == key ? &*found : nullptr;
}

}  // namespace

void Transaction::put(const model::User& user) {
  walled([&] {
    run(connection_.statement("INSERT INTO users (uid, name, password_hash, own_group) VALUES (?, ?, ?, ?) "
                              "ON CONFLICT (uid) DO UPDATE SET name = excluded.name, password_hash = excluded.password_hash, own_group = excluded.own_group"),
        user.uid, user.name, user.password_hash, user.own_group);
    run(connection_.statement("DELETE FROM members WHERE uid = ?"), user.uid);
    for (const auto gid : user.groups) run(connection_.statement("INSERT INTO members (uid, gid) VALUES (?, ?)"), user.uid, gid);
  });
}

void Transaction::put(const model::Group& group) {
  walled([&] {
    run(connection_.statement("INSERT INTO groups (gid, name, phase) VALUES (?, ?, ?) "
                              "ON CONFLICT (gid) DO UPDATE SET name = excluded.name, phase = excluded.phase"),
        group.gid, group.name, model::name(group.phase));
  });
}

void Transaction::put(const model::Authkey& authkey) {
  walled([&] {
    run(connection_.statement("INSERT OR REPLACE INTO authkeys (hash, uid, expires) VALUES (?, ?, ?)"), authkey.hash, authkey.uid, authkey.expires);
  });
}

void Transaction::put(const model::Catalog& catalog) {
  walled([&] {
    run(connection_.statement("INSERT INTO catalogs (cid, label, gid, phase) VALUES (?, ?, ?, ?) "
                              "ON CONFLICT (cid) DO UPDATE SET label = excluded.label, gid = excluded.gid, phase = excluded.phase"),
        catalog.id, catalog.label, catalog.group, model::name(catalog.phase));
    run(connection_.statement("DELETE FROM shares WHERE cid = ?"), catalog.id);
    for (const auto& [gid, permissions] : catalog.shares)
      run(connection_.statement("INSERT INTO shares (cid, gid, permissions) VALUES (?, ?, ?)"), catalog.id, gid, std::int64_t{permissions.bits()});
  });
}

void Transaction::put(const model::Resource& resource) {
  walled([&] {
    run(connection_.statement(
            "INSERT INTO resources (rid, kind, type, label, gid, spec, created, phase, base, pool, found, altering, cost) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (rid) DO UPDATE SET label = excluded.label, gid = excluded.gid, spec = excluded.spec, phase = excluded.phase, base = excluded.base, "
            "found = excluded.found, altering = excluded.altering, cost = excluded.cost"),
        resource.id, model::name(resource.kind), resource.type, resource.label, resource.group, resource.spec, resource.created, model::name(resource.phase),
        resource.base, resource.pool, resource.found, resource.altering, Json(resource.cost));
    run(connection_.statement("DELETE FROM resource_shares WHERE rid = ?"), resource.id);
    for (const auto& [gid, right] : resource.shares)
      run(connection_.statement("INSERT INTO resource_shares (rid, gid, access) VALUES (?, ?, ?)"), resource.id, gid, model::name(right));
  });
}

void Transaction::put(const model::Machine& machine) {
  walled([&] {
    run(connection_.statement(
            "INSERT INTO machines (vmid, name, cid, type, plugin, cpu_count, memory_mb, displays, autostart, rosetta, spec, created, phase, altering) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (vmid) DO UPDATE SET name = excluded.name, cid = excluded.cid, cpu_count = excluded.cpu_count, memory_mb = excluded.memory_mb, "
            "displays = excluded.displays, autostart = excluded.autostart, rosetta = excluded.rosetta, spec = excluded.spec, phase = excluded.phase, "
            "altering = excluded.altering"),
        machine.id, machine.name, machine.catalog, machine.type, machine.plugin, std::int64_t{machine.cpu_count}, std::int64_t{machine.memory_mb},
        displays_json(machine.displays), std::int64_t{machine.autostart}, std::int64_t{machine.rosetta}, machine.spec, machine.created, model::name(machine.phase),
        machine.altering);
    run(connection_.statement("DELETE FROM attachments WHERE vmid = ?"), machine.id);
    const auto put_attachment = [&](std::string_view list, std::int64_t place, model::ResourceId resource, const Json& options) {
      run(connection_.statement("INSERT INTO attachments (vmid, list, place, rid, options) VALUES (?, ?, ?, ?, ?)"), machine.id, list, place, resource, options);
    };
    std::int64_t place = 0;
    for (const auto& [rid, options] : machine.storage) put_attachment(model::name(model::ResourceKind::storage), place++, rid, options);
    place = 0;
    for (const auto& [rid, options] : machine.nics) put_attachment(model::name(model::ResourceKind::nic), place++, rid, options);
    place = 0;
    for (const auto& [field, rid] : machine.parts) put_attachment(kPart, place++, rid, {{"field", field}});
  });
}

void Transaction::put(const model::Upload& upload) {
  walled([&] {
    run(connection_.statement("INSERT INTO uploads (id, uid, gid, label, format, length, created, rid) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"), upload.id, upload.user,
        upload.group, upload.label, upload.format, upload.length, upload.created, upload.resource);
  });
}

void Transaction::put(const model::Quota& quota) {
  walled([&] {
    run(connection_.statement("INSERT OR REPLACE INTO quotas (gid, vcpus, memory_mb, storage_mb, vms) VALUES (?, ?, ?, ?, ?)"), quota.group,
        quota.limits[model::kVcpus], quota.limits[model::kMemoryMb], quota.limits[model::kStorageMb], quota.limits[model::kMachines]);
  });
}

void Transaction::put(const model::Snapshot& snapshot) {
  walled([&] {
    run(connection_.statement("INSERT INTO snapshots (sid, vmid, name, memory, machine, created, phase) VALUES (?, ?, ?, ?, ?, ?, ?) "
                              "ON CONFLICT (sid) DO UPDATE SET name = excluded.name, machine = excluded.machine, phase = excluded.phase"),
        snapshot.id, snapshot.machine, snapshot.name, std::int64_t{snapshot.memory}, snapshot.row, snapshot.created, model::name(snapshot.phase));
  });
}

void Transaction::put(const model::Pool& pool) {
  walled([&] {
    run(connection_.statement("INSERT OR REPLACE INTO pools (name, spec, created, phase) VALUES (?, ?, ?, ?)"), pool.name, pool.spec, pool.created,
        model::name(pool.phase));
  });
}

void Transaction::put(const model::Reply& reply) {
  walled([&] {
    run(connection_.statement("INSERT OR REPLACE INTO replies (uid, key, request, status, body, created) VALUES (?, ?, ?, ?, ?, ?)"), reply.uid, reply.key,
        reply.request, std::int64_t{reply.status}, reply.body, reply.created);
  });
}

void Transaction::erase(model::Uid uid) {
  walled([&] { run(connection_.statement("DELETE FROM users WHERE uid = ?"), uid); });
}
void Transaction::erase(model::Gid gid) {
  walled([&] { run(connection_.statement("DELETE FROM groups WHERE gid = ?"), gid); });
}
void Transaction::erase(const model::AuthkeyHash& hash) {
  walled([&] { run(connection_.statement("DELETE FROM authkeys WHERE hash = ?"), hash); });
}
void Transaction::erase(model::CatalogId id) {
  walled([&] { run(connection_.statement("DELETE FROM catalogs WHERE cid = ?"), id); });
}
void Transaction::erase(model::MachineId id) {
  walled([&] { run(connection_.statement("DELETE FROM machines WHERE vmid = ?"), id); });
}
void Transaction::erase(model::ResourceId id) {
  walled([&] { run(connection_.statement("DELETE FROM resources WHERE rid = ?"), id); });
}
void Transaction::erase(model::UploadId id) {
  walled([&] { run(connection_.statement("DELETE FROM uploads WHERE id = ?"), id); });
}
void Transaction::erase(model::SnapshotId id) {
  walled([&] { run(connection_.statement("DELETE FROM snapshots WHERE sid = ?"), id); });
}
void Transaction::erase_pool(const std::string& name) {
  walled([&] { run(connection_.statement("DELETE FROM pools WHERE name = ?"), name); });
}
void Transaction::erase_reply(model::Uid uid, const std::string& key) {
  walled([&] { run(connection_.statement("DELETE FROM replies WHERE uid = ? AND key = ?"), uid, key); });
}
void Transaction::set_last(model::Uid uid) {
  walled([&] { run(connection_.statement("UPDATE counters SET value = ? WHERE name = 'uid'"), uid); });
}
void Transaction::set_last(model::Gid gid) {
  walled([&] { run(connection_.statement("UPDATE counters SET value = ? WHERE name = 'gid'"), gid); });
}

namespace {

void load_people(Connection& db, Contents& contents) {
  auto& groups = db.statement("SELECT gid, name, phase FROM groups ORDER BY gid");
  while (groups.executeStep()) contents.groups.push_back({gid_at(groups, 0), groups.getColumn(1).getString(), named_at<model::Phase>(groups, 2)});
  auto& users = db.statement("SELECT uid, name, password_hash, own_group FROM users ORDER BY uid");
  while (users.executeStep())
    contents.users.push_back({uid_at(users, 0), users.getColumn(1).getString(), users.getColumn(2).getString(), gid_at(users, 3), {}});
  auto& members = db.statement("SELECT uid, gid FROM members");
  while (members.executeStep())
    if (auto* user = find_in(contents.users, uid_at(members, 0), [](const model::User& u) { return u.uid; })) user->groups.insert(gid_at(members, 1));
  auto& authkeys = db.statement("SELECT hash, uid, expires FROM authkeys");
  while (authkeys.executeStep()) contents.authkeys.push_back({hash_at(authkeys, 0), uid_at(authkeys, 1), authkeys.getColumn(2).getInt64()});
  auto& counters = db.statement("SELECT name, value FROM counters");
  while (counters.executeStep()) {
    const auto name = counters.getColumn(0).getString();
    if (name == "uid") contents.last_uid = uid_at(counters, 1);
    if (name == "gid") contents.last_gid = gid_at(counters, 1);
  }
}

void load_catalogs(Connection& db, Contents& contents) {
  auto& catalogs = db.statement("SELECT cid, label, gid, phase FROM catalogs ORDER BY cid");
  while (catalogs.executeStep())
    contents.catalogs.push_back({id_at<model::CatalogId>(catalogs, 0), catalogs.getColumn(1).getString(), gid_at(catalogs, 2), {}, named_at<model::Phase>(catalogs, 3)});
  auto& shares = db.statement("SELECT cid, gid, permissions FROM shares");
  while (shares.executeStep())
    if (auto* catalog = find_in(contents.catalogs, id_at<model::CatalogId>(shares, 0), [](const model::Catalog& c) { return c.id; }))
      catalog->shares[gid_at(shares, 1)] = model::Permissions(static_cast<std::uint8_t>(shares.getColumn(2).getInt()));
}

void load_resources(Connection& db, Contents& contents) {
  auto& rows = db.statement("SELECT rid, kind, type, label, gid, spec, created, phase, base, pool, found, altering, cost FROM resources ORDER BY rid");
  while (rows.executeStep()) {
    model::Resource resource;
    resource.id = id_at<model::ResourceId>(rows, 0);
    resource.kind = named_at<model::ResourceKind>(rows, 1);
    resource.type = rows.getColumn(2).getString();
    resource.label = rows.getColumn(3).getString();
    resource.group = gid_at(rows, 4);
    resource.spec = json_at(rows, 5);
    resource.created = rows.getColumn(6).getInt64();
    resource.phase = named_at<model::Phase>(rows, 7);
    if (!rows.getColumn(8).isNull()) resource.base = id_at<model::ResourceId>(rows, 8);
    resource.pool = rows.getColumn(9).getString();
    resource.found = rows.getColumn(10).getString();
    resource.altering = json_at(rows, 11);
    resource.cost = json_at(rows, 12).get<model::Amounts>();
    contents.resources.push_back(std::move(resource));
  }
  auto& shares = db.statement("SELECT rid, gid, access FROM resource_shares");
  while (shares.executeStep())
    if (auto* resource = find_in(contents.resources, id_at<model::ResourceId>(shares, 0), [](const model::Resource& r) { return r.id; }))
      resource->shares[gid_at(shares, 1)] = named_at<model::ResourceRight>(shares, 2);
  auto& pools = db.statement("SELECT name, spec, created, phase FROM pools ORDER BY name");
  while (pools.executeStep())
    contents.pools.push_back({pools.getColumn(0).getString(), json_at(pools, 1), pools.getColumn(2).getInt64(), named_at<model::Phase>(pools, 3)});
  auto& uploads = db.statement("SELECT id, uid, gid, label, format, length, created, rid FROM uploads ORDER BY id");
  while (uploads.executeStep())
    contents.uploads.push_back({id_at<model::UploadId>(uploads, 0), uid_at(uploads, 1), gid_at(uploads, 2), uploads.getColumn(3).getString(),
                                uploads.getColumn(4).getString(), uploads.getColumn(5).getInt64(), uploads.getColumn(6).getInt64(), id_at<model::ResourceId>(uploads, 7)});
}

void load_machines(Connection& db, Contents& contents) {
  auto& rows = db.statement("SELECT vmid, name, cid, type, plugin, cpu_count, memory_mb, displays, autostart, rosetta, spec, created, phase, altering FROM machines ORDER BY vmid");
  while (rows.executeStep()) {
    model::Machine machine;
    machine.id = id_at<model::MachineId>(rows, 0);
    machine.name = rows.getColumn(1).getString();
    machine.catalog = id_at<model::CatalogId>(rows, 2);
    machine.type = rows.getColumn(3).getString();
    machine.plugin = rows.getColumn(4).getString();
    machine.cpu_count = rows.getColumn(5).getInt();
    machine.memory_mb = rows.getColumn(6).getInt();
    machine.displays = displays_at(rows, 7);
    machine.autostart = rows.getColumn(8).getInt() != 0;
    machine.rosetta = rows.getColumn(9).getInt() != 0;
    machine.spec = json_at(rows, 10);
    machine.created = rows.getColumn(11).getInt64();
    machine.phase = named_at<model::Phase>(rows, 12);
    machine.altering = json_at(rows, 13);
    contents.machines.push_back(std::move(machine));
  }
  auto& attachments = db.statement("SELECT vmid, list, rid, options FROM attachments ORDER BY vmid, list, place");
  while (attachments.executeStep()) {
    auto* machine = find_in(contents.machines, id_at<model::MachineId>(attachments, 0), [](const model::Machine& m) { return m.id; });
    if (!machine) continue;
    const auto rid = id_at<model::ResourceId>(attachments, 2);
    auto options = json_at(attachments, 3);
    if (attachments.getColumn(1).getString() == kPart) {
      machine->parts[options.at("field").get<std::string>()] = rid;
      continue;
    }
    auto& list = named_at<model::ResourceKind>(attachments, 1) == model::ResourceKind::storage ? machine->storage : machine->nics;
    list.push_back({rid, std::move(options)});
  }
  auto& snapshots = db.statement("SELECT sid, vmid, name, memory, machine, created, phase FROM snapshots ORDER BY sid");
  while (snapshots.executeStep())
    contents.snapshots.push_back({id_at<model::SnapshotId>(snapshots, 0), id_at<model::MachineId>(snapshots, 1), snapshots.getColumn(2).getString(),
                                  snapshots.getColumn(3).getInt() != 0, json_at(snapshots, 4), snapshots.getColumn(5).getInt64(),
                                  named_at<model::Phase>(snapshots, 6)});
}

void load_limits(Connection& db, Contents& contents) {
  auto& quotas = db.statement("SELECT gid, vcpus, memory_mb, storage_mb, vms FROM quotas");
  while (quotas.executeStep())
    contents.quotas.push_back({gid_at(quotas, 0), {limit_at(quotas, 1), limit_at(quotas, 2), limit_at(quotas, 3), limit_at(quotas, 4)}});
  auto& replies = db.statement("SELECT uid, key, request, status, body, created FROM replies");
  while (replies.executeStep())
    contents.replies.push_back({uid_at(replies, 0), replies.getColumn(1).getString(), hash_at(replies, 2), replies.getColumn(3).getInt(),
                                replies.getColumn(4).getString(), replies.getColumn(5).getInt64()});
}

}  // namespace

Contents Database::load() {
  return walled([this] {
    Contents contents;
    try {
      load_people(*connection_, contents);
      load_catalogs(*connection_, contents);
      load_resources(*connection_, contents);
      load_machines(*connection_, contents);
      load_limits(*connection_, contents);
    } catch (const Json::exception& error) {
      damaged(error.what());
    }
    return contents;
  });
}

}  // namespace velocity::store
