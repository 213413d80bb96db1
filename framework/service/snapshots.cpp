#include "framework/service/snapshots.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "framework/service/access.hpp"
#include "framework/service/kept_disks.hpp"
#include "framework/service/machine_checks.hpp"
#include "framework/service/machine_document.hpp"
#include "framework/service/nic_guards.hpp"
#include "framework/service/replies.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Machine;
using model::MachineId;
using model::MachineState;
using model::Permission;
using model::Phase;
using model::Snapshot;

constexpr std::size_t kMostSnapshots = 32;  // of one machine: each makes every disk's tables longer
// In the journal: the snapshot that is gone back to, what the machine was before, and that its memory is back.
constexpr const char* kRevert = "revert";
constexpr const char* kBefore = "before";
constexpr const char* kDone = "done";
constexpr std::int64_t kMebibyte = 1 << 20;

using SnapshotPointer = std::shared_ptr<const Snapshot>;

std::vector<SnapshotPointer> snapshots_of(const Picture& picture, MachineId id) {
  std::vector<SnapshotPointer> found;
  picture.snapshot_names.visit_from({id, ""}, [&](const Picture::SnapshotName& key, const auto& snapshot) {
    if (key.first == id) found.push_back(picture.snapshots.find(*snapshot));
    return key.first == id;
  });
  return found;
}

SnapshotPointer get_snapshot(const Picture& picture, MachineId id, const std::string& name) {
  const auto found = picture.snapshot_names.find({id, name});
  auto snapshot = found ? picture.snapshots.find(*found) : nullptr;
  if (!snapshot || snapshot->phase != Phase::ready)
    throw Error(ErrorCode::snapshot_not_found, fmt::format("The virtual machine {} has no snapshot \"{}\"", id.text(), name));
  return snapshot;
}

MachineState settled_state(const Picture& picture, MachineId id) {
  const auto observation = picture.observations.find(id);
  if (observation && observation->passing) throw Error(ErrorCode::machine_busy, "The virtual machine is just changing its state. Try again in a moment");
  return observation ? observation->seen.state : MachineState::STOPPED;
}

Error is_running(MachineId id, const std::string& what) {
  return Error(ErrorCode::machine_running, what + " Stop the virtual machine first").with("vmid", id.text());
}

// The row, with what belongs to it, unless the machine has been marked for removal meanwhile.
void put_ready(Inventory& inventory, const Machine& row, const std::function<void(Change&)>& more = {}) {
  inventory.change([&](Change& change) {
    const auto current = change.picture().machines.find(row.id);
    if (!current || current->phase != Phase::ready) throw machine_not_found(row.id);
    change.put_back(row);
    if (more) more(change);
  });
}

template <class Work>
void guarded(const char* what, MachineId id, Work work) {
  try {
    work();
  } catch (const std::exception& error) {
    spdlog::warn("{} of the virtual machine {} is left to be finished later: {}", what, id.text(), error.what());
  }
}

bool lost(const Error& error) { return error.code() == ErrorCode::hypervisor_unavailable || error.code() == ErrorCode::hypervisor_timeout; }

}  // namespace

Snapshots::Snapshots(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host, const Blueprint& blueprint, storage::Volumes& volumes,
                     Turns& turns)
    : inventory_(inventory), registry_(registry), host_(host), blueprint_(blueprint), effects_(volumes, blueprint), turns_(turns) {}

std::vector<SnapshotPointer> Snapshots::list(const Caller& caller, MachineId id) const {
  const auto picture = inventory_.picture();
  Access(*picture, caller).machine(id, Permission::view);
  auto found = snapshots_of(*picture, id);
  std::erase_if(found, [](const auto& snapshot) { return snapshot->phase != Phase::ready; });
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->created < b->created; });
  return found;
}

// The machine as it is now, in the caller's turn, with nothing half-done.
Machine Snapshots::ready_machine(const Caller& caller, MachineId id) {
  settle(id);
  const auto machine = *Access(*inventory_.picture(), caller).machine(id, Permission::alter);
  if (!machine.altering.is_null()) throw Error(ErrorCode::machine_busy, "An earlier change of this is not finished yet. Try again later");
  return machine;
}

Snapshots::Working Snapshots::begin(const Caller& caller, MachineId id) {
  Access(*inventory_.picture(), caller).machine(id, Permission::alter);
  if (!host_.connected()) throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor cannot be reached now. Nothing was changed", host_.why_disconnected());
  if (!working_.try_acquire()) throw Error(ErrorCode::server_busy, "Other snapshots are being worked on. Try again in a moment");
  return Working(&working_);
}

SnapshotPointer Snapshots::take(const Caller& caller, MachineId id, const std::string& name) {
  const auto working = begin(caller, id);
  const auto turn = turns_.take(id.uuid());
  const auto machine = ready_machine(caller, id);
  const auto picture = inventory_.picture();
  const bool running = settled_state(*picture, id) != MachineState::STOPPED;
  require_snapshots(*picture, machine);
  if (running && NicGuards::concerns(*picture, machine))
    throw Error(ErrorCode::snapshot_impossible, "The memory of a machine on the host's network cannot be kept: it would go on before its NICs are guarded. Stop the machine first");
  if (running && libvirt::keeps_variables(host_.domain_xml(id)))
    throw Error(ErrorCode::snapshot_impossible,
                "The memory of a machine with EFI firmware cannot be kept: the hypervisor has no snapshots of firmware variables. Stop the machine first");
  Snapshot snapshot{model::SnapshotId::random(), id, name, running, document_of(machine), static_cast<std::int64_t>(std::time(nullptr)), Phase::creating};
  inventory_.change([&](Change& change) {
    Access(change.picture(), caller).machine(id, Permission::alter);
    const auto others = snapshots_of(change.picture(), id);
    if (change.picture().snapshot_names.find({id, name}))
      throw Error(ErrorCode::snapshot_name_taken, fmt::format("The virtual machine has a snapshot \"{}\" already", name));
    if (others.size() >= kMostSnapshots) throw Error(ErrorCode::snapshot_impossible, fmt::format("A virtual machine has at most {} snapshots", kMostSnapshots));
    note_intent(change, caller, {{"vmid", id.text()}, {"name", name}, {"created", snapshot.created}, {"memory", running}});
    change.put(snapshot);
  });
  try {
    if (running) host_.take_snapshot(id, snapshot.id.text());
    else effects_.take(*inventory_.picture(), snapshot);
    snapshot.phase = Phase::ready;
    commit(snapshot);
  } catch (const Error& error) {
    if (!lost(error)) settle(id);
    if (running && !lost(error)) throw Error(ErrorCode::snapshot_impossible, "The hypervisor cannot keep this machine: " + error.detail(), error.detail());
    throw;
  }
  return inventory_.picture()->snapshots.find(snapshot.id);
}

void Snapshots::revert(const Caller& caller, MachineId id, const std::string& name) {
  const auto working = begin(caller, id);
  const auto turn = turns_.take(id.uuid());
  const auto now = ready_machine(caller, id);
  const auto picture = inventory_.picture();
  const auto snapshot = get_snapshot(*picture, id, name);
  if (!snapshot->memory && settled_state(*picture, id) != MachineState::STOPPED) throw is_running(id, "The disks of a running machine cannot go back.");
  Machine then = now;
  restore_make(then, snapshot->row);
  const auto check = [&](const Picture& seen, const Machine& row) {
    check_alteration(registry_, seen, caller, row, then);
    require_kept_disks(seen, then);
  };
  check(*picture, now);
  blueprint_.domain_xml(*picture, then);  // that it can be made
  if (!snapshot->memory) {
    const auto disks = resized(*picture, effects_.sizes_then(*picture, *snapshot));
    inventory_.rehearse([&](Change& change) {  // a disk that was larger must be within the quota
      for (const auto& disk : disks) change.put(disk);
    });
  }
  auto marked = between(now, then);
  marked.altering = {{kRevert, snapshot->id.text()}, {kBefore, document_of(now)}};
  inventory_.change([&](Change& change) {
    const auto row = change.picture().machines.find(id);
    if (!row || row->phase != Phase::ready) throw machine_not_found(id);
    check(change.picture(), *row);
    change.put(marked);
  });
  bool begun = false;
  try {
    go_back(marked, *snapshot, begun);
  } catch (const Error& error) {
    if (!begun && !lost(error)) guarded("taking back the going back", id, [&] { take_back(marked); });
    throw;
  }
}

// Whether the hypervisor has put the memory back is written down before anything else: it is never asked to do it again.
void Snapshots::go_back(Machine row, const Snapshot& snapshot, bool& begun) {
  const auto picture = inventory_.picture();
  if (!snapshot.memory) return finish(row, snapshot, effects_.go_back(*picture, snapshot, begun));
  host_.revert_to_snapshot(row.id, snapshot.id.text());
  begun = true;
  row.altering[kDone] = true;
  put_ready(inventory_, row);
  const auto before = inventory_.picture()->observations.find(row.id);
  inventory_.observe_unless_news(row.id, host_.state(row.id), before);
  finish(row, snapshot, {});
}

void Snapshots::finish(const Machine& row, const Snapshot& snapshot, const std::map<model::ResourceId, std::int64_t>& sizes) {
  Machine then = row;
  restore_make(then, snapshot.row);
  then.altering = nullptr;
  host_.define(blueprint_.domain_xml(*inventory_.picture(), then));
  const auto disks = resized(*inventory_.picture(), sizes);
  put_ready(inventory_, then, [&](Change& change) {
    // Of a disk its size alone is what a snapshot keeps: who it is lent to and what it is called may have changed at any time.
    for (const auto& disk : disks) {
      const auto now = change.picture().resources.find(disk.id);
      if (!now || now->phase != Phase::ready) continue;
      auto next = *now;
      next.spec["size_mb"] = disk.spec.at("size_mb");
      next.cost = disk.cost;
      change.put_back(next);
    }
  });
}

// The machine is what it was before it was to go back.
void Snapshots::take_back(const Machine& row) {
  Machine before = row;
  if (row.altering.contains(kBefore)) restore_all(before, row.altering.at(kBefore));  // a journal of version 0.1 has none: the row was not touched
  before.altering = nullptr;
  host_.define(blueprint_.domain_xml(*inventory_.picture(), before));
  put_ready(inventory_, before);
}

std::vector<model::Resource> Snapshots::resized(const Picture& picture, const std::map<model::ResourceId, std::int64_t>& sizes) const {
  std::vector<model::Resource> disks;
  for (const auto& [rid, bytes] : sizes) {
    auto disk = *picture.resources.find(rid);
    const auto* type = registry_.find_resource_type(disk.type);
    const std::int64_t size_mb = (bytes + kMebibyte - 1) / kMebibyte;
    if (!type || disk.spec.value("size_mb", nlohmann::json()) == size_mb) continue;
    disk.spec["size_mb"] = size_mb;
    disk.cost = model::amounts_of(type->cost(disk.spec));
    disks.push_back(std::move(disk));
  }
  return disks;
}

void Snapshots::remove(const Caller& caller, MachineId id, const std::string& name) {
  const auto working = begin(caller, id);
  const auto turn = turns_.take(id.uuid());
  ready_machine(caller, id);
  const auto picture = inventory_.picture();
  auto snapshot = *get_snapshot(*picture, id, name);
  if (!snapshot.memory && settled_state(*picture, id) != MachineState::STOPPED)
    throw is_running(id, "A snapshot cannot be taken out of disks that are written to.");
  snapshot.phase = Phase::deleting;
  commit(snapshot);
  remove_effects(snapshot);
  inventory_.change([&](Change& change) { change.erase(snapshot.id); });
}

void Snapshots::commit(const Snapshot& snapshot) {
  inventory_.change([&](Change& change) {
    // It goes with its machine, which may have been removed meanwhile.
    if (!change.picture().snapshots.find(snapshot.id)) throw machine_not_found(snapshot.machine);
    change.put(snapshot);
  });
}

void Snapshots::remove_effects(const Snapshot& snapshot) {
  const auto picture = inventory_.picture();
  const bool running = settled_state(*picture, snapshot.machine) != MachineState::STOPPED;
  if (snapshot.memory) {
    const bool known = host_.has_snapshot(snapshot.machine, snapshot.id.text());
    if (running && !known)  // it may be in the disks, which only a stopped machine lets be looked at
      throw Error(ErrorCode::machine_running, "What is left of a snapshot goes when the machine is stopped");
    host_.remove_snapshot(snapshot.machine, snapshot.id.text());
    if (running) return;
  }
  effects_.remove(*picture, snapshot);
}

void Snapshots::settle(MachineId id) {
  const auto picture = inventory_.picture();
  for (const auto& snapshot : snapshots_of(*picture, id))
    if (snapshot->phase != Phase::ready)
      guarded("a snapshot", id, [&] {
        remove_effects(*snapshot);
        inventory_.change([&](Change& change) { change.erase(snapshot->id); });
      });
  const auto machine = picture->machines.find(id);
  if (!machine || machine->phase != Phase::ready || !machine->altering.is_object() || !machine->altering.contains(kRevert)) return;
  settle_revert(*picture, *machine);
}

void Snapshots::settle_revert(const Picture& picture, const Machine& row) {
  guarded("going back", row.id, [&] {
    const auto& journal = row.altering.at(kRevert);
    const auto sid = journal.is_string() ? model::SnapshotId::parse(journal.get_ref<const std::string&>()) : std::nullopt;
    const auto snapshot = sid ? picture.snapshots.find(*sid) : nullptr;
    if (!snapshot) throw Error(ErrorCode::storage_failed, "The journal names a snapshot that is not there");
    bool begun = false;
    if (!snapshot->memory) go_back(row, *snapshot, begun);
    else if (row.altering.contains(kDone)) finish(row, *snapshot, {});
    else take_back(row);
  });
}

}  // namespace velocity::service
