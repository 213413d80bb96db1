// The picture of everything, in memory: what should exist (the same as in the database) and what the hypervisor last said.
// All reads are answered from it; every change goes through it into the database first. Included by all services.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <condition_variable>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "framework/model/catalog.hpp"
#include "framework/model/machine.hpp"
#include "framework/model/resource.hpp"
#include "framework/model/user.hpp"
#include "framework/service/shared_map.hpp"
#include "framework/store/database.hpp"

namespace velocity::service {

// A machine's observed state and, while a change is under way, the state that it is passing through.
struct Observation {
  model::Runtime seen;
  std::optional<model::MachineState> passing;  // STARTING, PAUSING, RESUMING or STOPPING
  std::chrono::steady_clock::time_point since{};

  model::Runtime effective() const { return passing ? model::Runtime{*passing, seen.cause} : seen; }
};

// One consistent state of everything. Immutable once published; copying it costs a few pointers.
struct Picture {
  using NameInCatalog = std::pair<model::CatalogId, std::string>;
  using LabelInGroup = std::pair<model::Gid, std::string>;
  using Use = std::pair<model::ResourceId, model::MachineId>;
  using Overlay = std::pair<model::ResourceId, model::ResourceId>;  // the base, then what is on it
  using SnapshotName = std::pair<model::MachineId, std::string>;
  using MachineInCatalog = std::pair<model::CatalogId, model::MachineId>;
  using GroupCatalog = std::pair<model::Gid, model::CatalogId>;

  SharedMap<model::Uid, model::User> users;
  SharedMap<model::Gid, model::Group> groups;
  SharedMap<model::AuthkeyHash, model::Authkey> authkeys;
  SharedMap<model::CatalogId, model::Catalog> catalogs;
  SharedMap<model::MachineId, model::Machine> machines;
  SharedMap<model::ResourceId, model::Resource> resources;
  SharedMap<model::UploadId, model::Upload> uploads;
  SharedMap<model::Gid, model::Quota> quotas;
  SharedMap<model::SnapshotId, model::Snapshot> snapshots;
  SharedMap<std::string, model::Pool> pools;
  SharedMap<std::pair<model::Uid, std::string>, model::Reply> replies;
  model::Uid last_uid{};  // numbers are never given twice
  model::Gid last_gid{};

  // Found by name; kept by Change.
  SharedMap<std::string, model::Uid> user_names;
  SharedMap<std::string, model::Gid> group_names;
  SharedMap<NameInCatalog, model::MachineId> machine_names;
  SharedMap<MachineInCatalog, std::monostate> catalog_machines;
  SharedMap<GroupCatalog, std::monostate> group_catalogs;  // those that it owns, and those that are shared with it
  SharedMap<LabelInGroup, model::ResourceId> resource_labels;
  SharedMap<Use, model::Attachment> uses;  // by disks, NICs and what the types' own fields name
  SharedMap<Overlay, std::monostate> overlays;
  SharedMap<SnapshotName, model::SnapshotId> snapshot_names;
  SharedMap<model::Gid, model::Amounts> taken;  // by a group's resources and by the machines in its catalogs

  model::Amounts taken_by(model::Gid group) const;

  SharedMap<model::MachineId, Observation> observations;
  bool connected = false;  // false: observations are what was last known

  model::Runtime runtime(model::MachineId id) const;
};

// One transaction: what is put or erased is at once in the picture that the change sees, in the database when it commits, and
// in everybody's picture after that. Whatever takes more of a quota than is left is refused here, so that no service can forget it and no
// two can take the same: quota_exceeded with `quota`, `limit`, `taken` and `wanted`. Made by Inventory::change() only.
class Change {
 public:
  const Picture& picture() const { return next_; }

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
  // What is so already, or was so before: of that a quota has no say.
  void put_back(const model::Machine& machine);
  void put_back(const model::Resource& resource);
  void erase(model::Uid uid);  // with its authkeys
  void erase(model::Gid gid);  // and every membership and share that names it
  void erase(const model::AuthkeyHash& hash);
  void erase(model::CatalogId id);
  void erase(model::MachineId id);  // with its snapshots' rows
  void erase(model::ResourceId id);
  void erase(model::UploadId id);
  void erase(model::SnapshotId id);
  void erase_pool(const std::string& name);
  void erase_reply(model::Uid uid, const std::string& key);
  model::Uid next_uid();
  model::Gid next_gid();

 private:
  friend class Inventory;
  void require_quota(model::Gid group, const model::Amounts& before) const;
  Change(const Picture& picture, store::Transaction& transaction) : next_(picture), transaction_(transaction) {}
  Picture next_;
  store::Transaction& transaction_;
};

// Thread-safe. picture() never waits for the disk.
class Inventory {
 public:
  explicit Inventory(store::Database& database);  // reads everything once

  std::shared_ptr<const Picture> picture() const;
  bool stale() const { return !picture()->connected; }

  // Runs `edit` on the newest picture, one change at a time. If it throws, nothing has happened. Otherwise the change is on disk
  // when this returns. Do not call libvirt, a plugin or another change() inside.
  void change(const std::function<void(Change&)>& edit);

  // Runs `edit` as change() does and takes all of it back: throws what the change would throw.
  void rehearse(const std::function<void(Change&)>& edit);

  // What the hypervisor says; nothing of it is stored.
  void observe_all(const std::vector<std::pair<model::MachineId, model::Runtime>>& domains);
  void observe(model::MachineId id, const model::Runtime& runtime);
  // For who asked the hypervisor instead of being told: counts only when nothing was heard of the machine since `before` was its observation.
  void observe_unless_news(model::MachineId id, const model::Runtime& runtime, const std::shared_ptr<const Observation>& before);
  void forget(model::MachineId id);  // it has no domain any more
  void lose_sight();  // the hypervisor is away
  void set_passing(model::MachineId id, std::optional<model::MachineState> state);

  // Waits until the machine is in `state`, is gone, the time is over, or the waits are ended. Returns the last state.
  model::Runtime wait_for(model::MachineId id, model::MachineState state, std::chrono::milliseconds time) const;
  void end_waits();  // the server stops: who waits goes, nobody waits again

 private:
  void publish(const std::function<void(Picture&)>& edit);

  store::Database& database_;
  std::mutex change_mutex_;            // held through a transaction
  mutable std::mutex publish_mutex_;   // held for a moment
  mutable std::condition_variable published_;
  std::shared_ptr<const Picture> picture_;
  bool waits_ended_ = false;
};

}  // namespace velocity::service
