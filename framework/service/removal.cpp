#include "framework/service/removal.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <set>

#include "framework/model/error.hpp"
#include "framework/service/firmware_variables.hpp"
#include "framework/service/snapshot_effects.hpp"
#include "framework/service/provision.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Phase;

void append(Doomed& doomed, const Doomed& more) {
  const auto add = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  add(doomed.machines, more.machines);
  add(doomed.resources, more.resources);
  add(doomed.uploads, more.uploads);
  add(doomed.catalogs, more.catalogs);
  add(doomed.groups, more.groups);
}

// The first machine, other than those that go as well, that has the resource.
std::optional<model::MachineId> user_of(const Picture& picture, model::ResourceId id, const std::set<model::MachineId>& going) {
  std::optional<model::MachineId> user;
  picture.uses.visit_from({id, model::MachineId()}, [&](const Picture::Use& use, const auto&) {
    if (use.first != id) return false;
    if (going.count(use.second) > 0) return true;
    user = use.second;
    return false;
  });
  return user;
}

bool has_overlay(const Picture& picture, model::ResourceId id) {
  bool found = false;
  picture.overlays.visit_from({id, model::ResourceId()}, [&](const Picture::Overlay& overlay, const auto&) {
    found = overlay.first == id;
    return false;
  });
  return found;
}

// A linked clone of the disk that belongs to another group than the one that goes.
std::optional<model::ResourceId> foreign_overlay(const Picture& picture, model::ResourceId id, model::Gid going) {
  std::optional<model::ResourceId> found;
  picture.overlays.visit_from({id, model::ResourceId()}, [&](const Picture::Overlay& overlay, const auto&) {
    if (overlay.first != id) return false;
    const auto other = picture.resources.find(overlay.second);
    if (other && other->group != going) found = overlay.second;
    return !found;
  });
  return found;
}

Doomed mark_machine(Change& change, model::MachineId id) {
  auto machine = *change.picture().machines.find(id);
  machine.phase = Phase::deleting;
  change.put(machine);
  Doomed doomed;
  doomed.machines = {id};
  return doomed;
}

std::vector<model::MachineId> machines_in(const Picture& picture, model::CatalogId id) {
  std::vector<model::MachineId> machines;
  picture.machine_names.visit_from({id, ""}, [&](const Picture::NameInCatalog& key, const auto& machine) {
    if (key.first == id) machines.push_back(*machine);
    return key.first == id;
  });
  return machines;
}

Doomed mark_catalog(Change& change, model::CatalogId id) {
  Doomed doomed;
  doomed.catalogs = {id};
  for (const auto& machine : machines_in(change.picture(), id)) append(doomed, mark_machine(change, machine));
  auto catalog = *change.picture().catalogs.find(id);
  catalog.phase = Phase::deleting;
  change.put(catalog);
  return doomed;
}

bool owns_anything(const Picture& picture, model::Gid gid) {
  bool owns = false;
  picture.catalogs.visit_all([&](const auto&, const auto& catalog) { owns = owns || catalog->group == gid; });
  picture.resources.visit_all([&](const auto&, const auto& resource) { owns = owns || resource->group == gid; });
  return owns;
}

// Rows go when nothing refers to them any more; what stays is for the next round.
void erase_rows(Change& change, const Doomed& done, const Doomed& doomed) {
  const auto& picture = change.picture();
  for (const auto& id : done.machines) change.erase(id);
  // What is based on another goes before it.
  auto left = done.resources;
  const auto is_free = [&](model::ResourceId id) { return !user_of(picture, id, {}) && !has_overlay(picture, id); };
  for (auto next = left.begin(); (next = std::find_if(left.begin(), left.end(), is_free)) != left.end(); left.erase(next)) change.erase(*next);
  for (const auto& id : doomed.catalogs)
    if (machines_in(picture, id).empty()) change.erase(id);
  for (const auto& gid : doomed.groups)
    if (!owns_anything(picture, gid)) change.erase(gid);
}

template <class Map, class IdType>
bool unfinished(const Map& map, const IdType& id) {
  const auto row = map.find(id);
  return row && row->phase != Phase::ready;
}

void remove_file(const std::filesystem::path& file) {
  std::error_code failed;
  std::filesystem::remove(file, failed);
  if (failed) throw Error(ErrorCode::storage_failed, "A file of what is removed cannot be removed", fmt::format("{}: {}", file.string(), failed.message()));
}

}  // namespace

Removal::Removal(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host, const Blueprint& blueprint, storage::Volumes& volumes,
                 Turns& turns, std::filesystem::path incoming)
    : inventory_(inventory), registry_(registry), host_(host), blueprint_(blueprint), volumes_(volumes), turns_(turns), incoming_(std::move(incoming)) {}

void Removal::require_hypervisor() const {
  if (!host_.connected()) throw Error(ErrorCode::hypervisor_unavailable, "The hypervisor cannot be reached now. Nothing was changed", host_.why_disconnected());
}

Doomed Removal::mark(Change& change, const Authorized<model::Machine>& machine) const { return mark_machine(change, machine->id); }

Doomed Removal::mark(Change& change, const Authorized<model::Resource>& resource) const {
  if (const auto user = user_of(change.picture(), resource->id, {}))
    throw Error(ErrorCode::resource_in_use, fmt::format("The virtual machine {} uses it", user->text())).with("vmid", user->text());
  change.picture().overlays.visit_from({resource->id, model::ResourceId()}, [&](const Picture::Overlay& overlay, const auto&) {
    if (overlay.first != resource->id) return false;
    throw Error(ErrorCode::resource_in_use, fmt::format("The disk {} is a linked clone of it", overlay.second.text())).with("rid", overlay.second.text());
  });
  auto marked = *resource;
  marked.phase = Phase::deleting;
  change.put(marked);
  Doomed doomed;
  doomed.resources = {resource->id};
  return doomed;
}

Doomed Removal::mark(Change& change, const Authorized<model::Catalog>& catalog) const { return mark_catalog(change, catalog->id); }

Doomed Removal::mark_group(Change& change, model::Gid gid) const {
  Doomed doomed;
  doomed.groups = {gid};
  const Picture before = change.picture();
  before.catalogs.visit_all([&](const auto& id, const auto& catalog) {
    if (catalog->group == gid) append(doomed, mark_catalog(change, id));
  });
  const std::set<model::MachineId> going(doomed.machines.begin(), doomed.machines.end());
  before.resources.visit_all([&](const auto& id, const auto& resource) {
    if (resource->group != gid) return;
    if (const auto user = user_of(before, id, going))
      throw Error(ErrorCode::resource_in_use, fmt::format("The virtual machine {} of another group uses the resource {} of this one", user->text(), id.text()))
          .with("vmid", user->text());
    if (const auto overlay = foreign_overlay(before, id, gid))
      throw Error(ErrorCode::resource_in_use, fmt::format("The disk {} of another group is a linked clone of the disk {} of this one", overlay->text(), id.text()))
          .with("rid", overlay->text());
    auto marked = *resource;
    marked.phase = Phase::deleting;
    change.put(marked);
    doomed.resources.push_back(id);
  });
  before.uploads.visit_all([&](const auto& id, const auto& upload) {
    if (upload->group != gid) return;
    change.erase(id);
    doomed.uploads.push_back(id);
  });
  auto group = *change.picture().groups.find(gid);
  group.phase = Phase::deleting;
  change.put(group);
  return doomed;
}

void Removal::carry_out(const Doomed& doomed) {
  Doomed done;
  std::exception_ptr failure;
  const auto attempt = [&](auto work) {
    try {
      work();
    } catch (const std::exception& error) {
      spdlog::warn("a removal is left to be finished later: {}", error.what());
      if (!failure) failure = std::current_exception();
    }
  };
  for (const auto& id : doomed.machines)
    attempt([&] {
      const auto turn = turns_.take(id.uuid());
      if (!unfinished(inventory_.picture()->machines, id)) return;
      remove_effects(id);
      done.machines.push_back(id);
    });
  for (const auto& id : doomed.resources)
    attempt([&] {
      const auto turn = turns_.take(id.uuid());
      const auto resource = inventory_.picture()->resources.find(id);
      if (!resource || resource->phase == Phase::ready) return;
      if (user_of(*inventory_.picture(), id, {done.machines.begin(), done.machines.end()}))
        throw Error(ErrorCode::resource_in_use, "A virtual machine that could not be removed yet still has it");
      remove_effects(*resource);
      done.resources.push_back(id);
    });
  for (const auto& id : doomed.uploads) attempt([&] { remove_file(incoming_ / id.text()); });
  inventory_.change([&](Change& change) { erase_rows(change, done, doomed); });
  if (failure) std::rethrow_exception(failure);
}

Doomed Removal::left_over() const {
  const auto picture = inventory_.picture();
  Doomed doomed;
  // A thing whose turn is taken is being worked on right now.
  picture->machines.visit_all([&](const auto& id, const auto& machine) {
    if (machine->phase != Phase::ready && turns_.take_if_free(id.uuid())) doomed.machines.push_back(id);
  });
  picture->resources.visit_all([&](const auto& id, const auto& resource) {
    if (resource->phase != Phase::ready && turns_.take_if_free(id.uuid())) doomed.resources.push_back(id);
  });
  picture->catalogs.visit_all([&](const auto& id, const auto& catalog) {
    if (catalog->phase != Phase::ready) doomed.catalogs.push_back(id);
  });
  picture->groups.visit_all([&](const auto& gid, const auto& group) {
    if (group->phase != Phase::ready) doomed.groups.push_back(gid);
  });
  return doomed;
}

void Removal::remove_effects(model::MachineId id) const {
  try {
    host_.destroy(id);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::hypervisor_not_found) throw;
  }
  const auto picture = inventory_.picture();
  const SnapshotEffects snapshots(volumes_, blueprint_);
  picture->snapshots.visit_all([&](const auto&, const auto& snapshot) {
    if (snapshot->machine == id) snapshots.remove(*picture, *snapshot);
  });
  host_.undefine(id);
  const auto files = blueprint_.files(id);
  remove_variables(files.nvram);
  remove_file(files.console_log);
  Provision(blueprint_).remove(id);
}

void Removal::remove_effects(const model::Resource& resource) const {
  if (const auto* type = registry_.find_resource_type(resource.type)) type->remove({{"rid", resource.id.text()}, {"spec", resource.spec}});
  volumes_.remove(resource.id);  // also when the plugin is gone
}

void Removal::undo(const model::Machine& machine) noexcept {
  try {
    remove_effects(machine.id);
    inventory_.change([&](Change& change) { change.erase(machine.id); });
  } catch (const std::exception& error) {
    spdlog::warn("the failed creation of the virtual machine {} is left to be taken back later: {}", machine.id.text(), error.what());
  }
}

void Removal::undo(const model::Resource& resource) noexcept {
  try {
    remove_effects(resource);
    inventory_.change([&](Change& change) { change.erase(resource.id); });
  } catch (const std::exception& error) {
    spdlog::warn("the failed creation of the resource {} is left to be taken back later: {}", resource.id.text(), error.what());
  }
}

}  // namespace velocity::service
