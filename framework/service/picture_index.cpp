#include "framework/service/picture_index.hpp"

namespace velocity::service {
namespace {

constexpr std::int64_t kMebibyte = 1 << 20;

model::Amounts cost(const model::Machine& machine) {
  model::Amounts amounts{};
  amounts[model::kVcpus] = machine.cpu_count;
  amounts[model::kMemoryMb] = machine.memory_mb;
  amounts[model::kMachines] = 1;
  return amounts;
}

// The room that it will take at least once it is a disk is taken from its announcement on.
model::Amounts cost(const model::Upload& upload) {
  model::Amounts amounts{};
  amounts[model::kStorageMb] = upload.length / kMebibyte + (upload.length % kMebibyte > 0 ? 1 : 0);
  return amounts;
}

void count(Picture& picture, std::optional<model::Gid> group, const model::Amounts& amounts, int sign) {
  if (!group || amounts == model::Amounts{}) return;
  auto taken = picture.taken_by(*group);
  for (std::size_t i = 0; i < taken.size(); ++i) taken[i] += sign * amounts[i];
  picture.taken.set(*group, taken);
}

}  // namespace

std::optional<model::Gid> payer(const Picture& picture, const model::Machine& machine) {
  const auto catalog = picture.catalogs.find(machine.catalog);
  return catalog ? std::optional(catalog->group) : std::nullopt;
}

void index(Picture& picture, const model::User& user) { picture.user_names.set(user.name, user.uid); }
void index(Picture& picture, const model::Group& group) { picture.group_names.set(group.name, group.gid); }
void index(Picture& picture, const model::Resource& resource) {
  picture.resource_labels.set({resource.group, resource.label}, resource.id);
  count(picture, resource.group, resource.cost, 1);
  if (resource.base) picture.overlays.set({*resource.base, resource.id}, std::monostate());
}
void index(Picture& picture, const model::Catalog& catalog) {
  picture.group_catalogs.set({catalog.group, catalog.id}, std::monostate());
  for (const auto& [gid, permissions] : catalog.shares) picture.group_catalogs.set({gid, catalog.id}, std::monostate());
}
void index(Picture& picture, const model::Machine& machine) {
  picture.machine_names.set({machine.catalog, machine.name}, machine.id);
  picture.catalog_machines.set({machine.catalog, machine.id}, std::monostate());
  count(picture, payer(picture, machine), cost(machine), 1);
  for (const auto* list : {&machine.storage, &machine.nics})
    for (const auto& attachment : *list) picture.uses.set({attachment.resource, machine.id}, attachment);
  // What a machine boots from it only reads.
  for (const auto& [field, resource] : machine.parts)
    if (!picture.uses.find({resource, machine.id})) picture.uses.set({resource, machine.id}, model::Attachment{resource, {{"readonly", true}}});
}
void index(Picture& picture, const model::Upload& upload) { count(picture, upload.group, cost(upload), 1); }
void index(Picture& picture, const model::Snapshot& snapshot) { picture.snapshot_names.set({snapshot.machine, snapshot.name}, snapshot.id); }

void forget(Picture& picture, const model::User& user) { picture.user_names.erase(user.name); }
void forget(Picture& picture, const model::Group& group) { picture.group_names.erase(group.name); }
void forget(Picture& picture, const model::Resource& resource) {
  picture.resource_labels.erase({resource.group, resource.label});
  count(picture, resource.group, resource.cost, -1);
  if (resource.base) picture.overlays.erase({*resource.base, resource.id});
}
void forget(Picture& picture, const model::Upload& upload) { count(picture, upload.group, cost(upload), -1); }
void forget(Picture& picture, const model::Snapshot& snapshot) { picture.snapshot_names.erase({snapshot.machine, snapshot.name}); }
void forget(Picture& picture, const model::Catalog& catalog) {
  picture.group_catalogs.erase({catalog.group, catalog.id});
  for (const auto& [gid, permissions] : catalog.shares) picture.group_catalogs.erase({gid, catalog.id});
}
void forget(Picture& picture, const model::Machine& machine) {
  picture.machine_names.erase({machine.catalog, machine.name});
  picture.catalog_machines.erase({machine.catalog, machine.id});
  count(picture, payer(picture, machine), cost(machine), -1);
  for (const auto* list : {&machine.storage, &machine.nics})
    for (const auto& attachment : *list) picture.uses.erase({attachment.resource, machine.id});
  for (const auto& [field, resource] : machine.parts) picture.uses.erase({resource, machine.id});
}

}  // namespace velocity::service
