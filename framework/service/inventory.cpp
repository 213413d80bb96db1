#include "framework/service/inventory.hpp"

#include <fmt/format.h>

#include "framework/model/error.hpp"
#include "framework/service/picture_index.hpp"

namespace velocity::service {
namespace {

template <class Key, class Value, class Wanted>
std::vector<Key> keys_where(const SharedMap<Key, Value>& map, Wanted wanted) {
  std::vector<Key> keys;
  map.visit_all([&](const Key& key, const auto& value) {
    if (wanted(*value)) keys.push_back(key);
  });
  return keys;
}

constexpr model::Amounts kNothing{};

template <class Map, class Key, class Value>
void replace(Picture& picture, Map& map, const Key& key, const Value& value) {
  if (const auto old = map.find(key)) forget(picture, *old);
  map.set(key, value);
  index(picture, value);
}

template <class Map, class Key>
void drop(Picture& picture, Map& map, const Key& key) {
  if (const auto old = map.find(key)) forget(picture, *old);
  map.erase(key);
}

Picture from(const store::Contents& contents) {
  Picture picture;
  for (const auto& user : contents.users) replace(picture, picture.users, user.uid, user);
  for (const auto& group : contents.groups) replace(picture, picture.groups, group.gid, group);
  for (const auto& authkey : contents.authkeys) picture.authkeys.set(authkey.hash, authkey);
  for (const auto& catalog : contents.catalogs) replace(picture, picture.catalogs, catalog.id, catalog);
  for (const auto& resource : contents.resources) replace(picture, picture.resources, resource.id, resource);
  for (const auto& machine : contents.machines) replace(picture, picture.machines, machine.id, machine);
  for (const auto& upload : contents.uploads) replace(picture, picture.uploads, upload.id, upload);
  for (const auto& quota : contents.quotas) picture.quotas.set(quota.group, quota);
  for (const auto& snapshot : contents.snapshots) replace(picture, picture.snapshots, snapshot.id, snapshot);
  for (const auto& pool : contents.pools) picture.pools.set(pool.name, pool);
  for (const auto& reply : contents.replies) picture.replies.set({reply.uid, reply.key}, reply);
  picture.last_uid = contents.last_uid;
  picture.last_gid = contents.last_gid;
  return picture;
}

// A graceful stop is over when the guest has stopped; the other passing states end with the call that caused them.
Observation seen(const SharedMap<model::MachineId, Observation>& map, model::MachineId id, const model::Runtime& runtime) {
  Observation next;
  if (const auto old = map.find(id)) next = *old;
  next.seen = runtime;
  if (next.passing == model::MachineState::STOPPING && runtime.state == model::MachineState::STOPPED) next.passing.reset();
  return next;
}

}  // namespace

model::Runtime Picture::runtime(model::MachineId id) const {
  const auto observation = observations.find(id);
  return observation ? observation->effective() : model::Runtime{};
}

model::Amounts Picture::taken_by(model::Gid group) const {
  const auto found = taken.find(group);
  return found ? *found : kNothing;
}

// Only what grows is refused: a quota that was lowered below what is taken stops nobody from taking less.
void Change::require_quota(model::Gid group, const model::Amounts& before) const {
  const auto quota = next_.quotas.find(group);
  if (!quota) return;
  const auto after = next_.taken_by(group);
  for (std::size_t i = 0; i < after.size(); ++i) {
    const auto limit = quota->limits[i];
    if (!limit || after[i] <= *limit || after[i] <= before[i]) continue;
    throw model::Error(model::ErrorCode::quota_exceeded,
                       fmt::format("The group {} may take {} {}. It has taken {}, and this would take {} more", model::number(group), *limit,
                                   model::kDimensions[i], before[i], after[i] - before[i]))
        .with("quota", std::string(model::kDimensions[i]))
        .with("limit", std::to_string(*limit))
        .with("taken", std::to_string(before[i]))
        .with("wanted", std::to_string(after[i] - before[i]));
  }
}

void Change::put(const model::User& user) {
  transaction_.put(user);
  replace(next_, next_.users, user.uid, user);
}

void Change::put(const model::Group& group) {
  transaction_.put(group);
  replace(next_, next_.groups, group.gid, group);
}

void Change::put(const model::Authkey& authkey) {
  transaction_.put(authkey);
  next_.authkeys.set(authkey.hash, authkey);
}

void Change::put(const model::Catalog& catalog) {
  transaction_.put(catalog);
  replace(next_, next_.catalogs, catalog.id, catalog);
}

void Change::put(const model::Machine& machine) {
  const auto group = payer(next_, machine);
  const auto before = group ? next_.taken_by(*group) : kNothing;
  replace(next_, next_.machines, machine.id, machine);
  if (group) require_quota(*group, before);
  transaction_.put(machine);
}

void Change::put(const model::Resource& resource) {
  const auto before = next_.taken_by(resource.group);
  replace(next_, next_.resources, resource.id, resource);
  require_quota(resource.group, before);
  transaction_.put(resource);
}

void Change::put_back(const model::Machine& machine) {
  replace(next_, next_.machines, machine.id, machine);
  transaction_.put(machine);
}

void Change::put_back(const model::Resource& resource) {
  replace(next_, next_.resources, resource.id, resource);
  transaction_.put(resource);
}

void Change::put(const model::Upload& upload) {
  const auto before = next_.taken_by(upload.group);
  replace(next_, next_.uploads, upload.id, upload);
  require_quota(upload.group, before);
  transaction_.put(upload);
}

void Change::put(const model::Quota& quota) {
  transaction_.put(quota);
  next_.quotas.set(quota.group, quota);
}

void Change::put(const model::Snapshot& snapshot) {
  transaction_.put(snapshot);
  replace(next_, next_.snapshots, snapshot.id, snapshot);
}

void Change::put(const model::Pool& pool) {
  transaction_.put(pool);
  next_.pools.set(pool.name, pool);
}

void Change::put(const model::Reply& reply) {
  transaction_.put(reply);
  next_.replies.set({reply.uid, reply.key}, reply);
}

void Change::erase(model::Uid uid) {
  transaction_.erase(uid);
  for (const auto& key : keys_where(next_.replies, [uid](const auto& reply) { return reply.uid == uid; })) next_.replies.erase(key);
  for (const auto& hash : keys_where(next_.authkeys, [uid](const auto& key) { return key.uid == uid; })) next_.authkeys.erase(hash);
  for (const auto& id : keys_where(next_.uploads, [uid](const auto& upload) { return upload.user == uid; })) drop(next_, next_.uploads, id);
  drop(next_, next_.users, uid);
}

void Change::erase(model::Gid gid) {
  transaction_.erase(gid);
  for (const auto uid : keys_where(next_.users, [gid](const auto& user) { return user.groups.count(gid) > 0; })) {
    auto user = *next_.users.find(uid);
    user.groups.erase(gid);
    next_.users.set(uid, std::move(user));
  }
  for (const auto& id : keys_where(next_.catalogs, [gid](const auto& catalog) { return catalog.shares.count(gid) > 0; })) {
    auto catalog = *next_.catalogs.find(id);
    catalog.shares.erase(gid);
    replace(next_, next_.catalogs, id, catalog);
  }
  for (const auto& id : keys_where(next_.resources, [gid](const auto& resource) { return resource.shares.count(gid) > 0; })) {
    auto resource = *next_.resources.find(id);
    resource.shares.erase(gid);
    next_.resources.set(id, std::move(resource));
  }
  for (const auto& id : keys_where(next_.uploads, [gid](const auto& upload) { return upload.group == gid; })) drop(next_, next_.uploads, id);
  next_.quotas.erase(gid);
  drop(next_, next_.groups, gid);
}

void Change::erase(const model::AuthkeyHash& hash) {
  transaction_.erase(hash);
  next_.authkeys.erase(hash);
}

void Change::erase(model::CatalogId id) {
  transaction_.erase(id);
  drop(next_, next_.catalogs, id);
}

void Change::erase(model::MachineId id) {
  transaction_.erase(id);
  std::vector<model::SnapshotId> snapshots;
  next_.snapshot_names.visit_from({id, ""}, [&](const Picture::SnapshotName& name, const auto& snapshot) {
    if (name.first == id) snapshots.push_back(*snapshot);
    return name.first == id;
  });
  for (const auto& snapshot : snapshots) drop(next_, next_.snapshots, snapshot);
  drop(next_, next_.machines, id);
}

void Change::erase(model::ResourceId id) {
  transaction_.erase(id);
  drop(next_, next_.resources, id);
}

void Change::erase(model::UploadId id) {
  transaction_.erase(id);
  drop(next_, next_.uploads, id);
}

void Change::erase(model::SnapshotId id) {
  transaction_.erase(id);
  drop(next_, next_.snapshots, id);
}

void Change::erase_pool(const std::string& name) {
  transaction_.erase_pool(name);
  next_.pools.erase(name);
}

void Change::erase_reply(model::Uid uid, const std::string& key) {
  transaction_.erase_reply(uid, key);
  next_.replies.erase({uid, key});
}

model::Uid Change::next_uid() {
  next_.last_uid = model::Uid{model::number(next_.last_uid) + 1};
  transaction_.set_last(next_.last_uid);
  return next_.last_uid;
}

model::Gid Change::next_gid() {
  next_.last_gid = model::Gid{model::number(next_.last_gid) + 1};
  transaction_.set_last(next_.last_gid);
  return next_.last_gid;
}

Inventory::Inventory(store::Database& database) : database_(database), picture_(std::make_shared<const Picture>(from(database.load()))) {}

std::shared_ptr<const Picture> Inventory::picture() const {
  const std::lock_guard lock(publish_mutex_);
  return picture_;
}

void Inventory::publish(const std::function<void(Picture&)>& edit) {
  {
    const std::lock_guard lock(publish_mutex_);
    Picture next = *picture_;
    edit(next);
    picture_ = std::make_shared<const Picture>(std::move(next));
  }
  published_.notify_all();
}

void Inventory::change(const std::function<void(Change&)>& edit) {
  const std::lock_guard lock(change_mutex_);
  store::Transaction transaction(database_);
  Change change(*picture(), transaction);
  edit(change);
  transaction.commit();
  publish([&change](Picture& current) {
    // What the hypervisor said meanwhile is newer than the copy that the change began with.
    auto observations = std::move(current.observations);
    const auto connected = current.connected;
    current = std::move(change.next_);
    current.observations = std::move(observations);
    current.connected = connected;
  });
}

void Inventory::rehearse(const std::function<void(Change&)>& edit) {
  const std::lock_guard lock(change_mutex_);
  store::Transaction transaction(database_);
  Change change(*picture(), transaction);
  edit(change);
}

void Inventory::observe_all(const std::vector<std::pair<model::MachineId, model::Runtime>>& domains) {
  publish([&domains](Picture& picture) {
    SharedMap<model::MachineId, Observation> all;
    for (const auto& [id, runtime] : domains) all.set(id, seen(picture.observations, id, runtime));
    picture.observations = std::move(all);
    picture.connected = true;
  });
}

void Inventory::observe(model::MachineId id, const model::Runtime& runtime) {
  publish([&](Picture& picture) { picture.observations.set(id, seen(picture.observations, id, runtime)); });
}

void Inventory::observe_unless_news(model::MachineId id, const model::Runtime& runtime, const std::shared_ptr<const Observation>& before) {
  publish([&](Picture& picture) {
    if (picture.observations.find(id) == before) picture.observations.set(id, seen(picture.observations, id, runtime));
  });
}

void Inventory::forget(model::MachineId id) {
  publish([&](Picture& picture) { picture.observations.erase(id); });
}

void Inventory::lose_sight() {
  publish([](Picture& picture) { picture.connected = false; });
}

void Inventory::set_passing(model::MachineId id, std::optional<model::MachineState> state) {
  publish([&](Picture& picture) {
    Observation next;
    if (const auto old = picture.observations.find(id)) next = *old;
    next.passing = state;
    next.since = std::chrono::steady_clock::now();
    picture.observations.set(id, next);
  });
}

model::Runtime Inventory::wait_for(model::MachineId id, model::MachineState state, std::chrono::milliseconds time) const {
  std::unique_lock lock(publish_mutex_);
  published_.wait_for(lock, time, [&] {
    if (waits_ended_) return true;
    const auto machine = picture_->machines.find(id);
    return !machine || machine->phase != model::Phase::ready || picture_->runtime(id).state == state;
  });
  return picture_->runtime(id);
}

void Inventory::end_waits() {
  {
    const std::lock_guard lock(publish_mutex_);
    waits_ended_ = true;
  }
  published_.notify_all();
}

}  // namespace velocity::service
