#include "framework/service/access.hpp"

#include <fmt/format.h>

#include "framework/model/names.hpp"

namespace velocity::service {

using model::Error;
using model::ErrorCode;
using model::Permission;
using model::Permissions;

Permissions Access::on(const model::Catalog& catalog) const {
  if (caller_.in(catalog.group)) return Permissions::all();
  Permissions sum;
  for (const auto& [group, permissions] : catalog.shares)
    if (caller_.member_of(group)) sum = sum | permissions;
  return sum;
}

std::optional<model::ResourceRight> Access::on(const model::Resource& resource) const {
  if (caller_.in(resource.group)) return model::ResourceRight::manage;
  if (!resource.found.empty() && caller_.member_of(model::kPoolManagers)) return model::ResourceRight::manage;  // the host's own
  std::optional<model::ResourceRight> most;
  for (const auto& [group, right] : resource.shares)
    if (caller_.member_of(group) && most != model::ResourceRight::manage) most = right;
  return most;
}

Authorized<model::Catalog> Access::catalog(model::CatalogId id) const {
  auto catalog = picture_.catalogs.find(id);
  if (!catalog || catalog->phase != model::Phase::ready || !on(*catalog).any())
    throw Error(ErrorCode::catalog_not_found, fmt::format("No catalog {} is visible to you", id.text()));
  return Authorized(std::move(catalog));
}

Authorized<model::Catalog> Access::catalog(model::CatalogId id, Permission needed) const {
  auto seen = catalog(id);
  if (!on(*seen).has(needed))
    throw Error(ErrorCode::catalog_denied, fmt::format("You lack the permission \"{}\" on the catalog {}", name(needed), id.text()));
  return seen;
}

bool Access::sees(model::MachineId id) const {
  const auto machine = picture_.machines.find(id);
  if (!machine || machine->phase != model::Phase::ready) return false;
  const auto catalog = picture_.catalogs.find(machine->catalog);
  return catalog && catalog->phase == model::Phase::ready && on(*catalog).any();
}

Authorized<model::Machine> Access::machine(model::MachineId id) const {
  if (!sees(id)) throw Error(ErrorCode::machine_not_found, fmt::format("No virtual machine {} is visible to you", id.text()));
  return Authorized(picture_.machines.find(id));
}

Authorized<model::Machine> Access::machine(model::MachineId id, Permission needed) const {
  auto seen = machine(id);
  if (!on(*picture_.catalogs.find(seen->catalog)).has(needed))
    throw Error(ErrorCode::machine_denied, fmt::format("You lack the permission \"{}\" on the catalog {} of this virtual machine", name(needed), seen->catalog.text()));
  return seen;
}

Authorized<model::Resource> Access::resource(model::ResourceId id) const {
  auto resource = picture_.resources.find(id);
  if (!resource || !sees(*resource)) throw Error(ErrorCode::resource_not_found, fmt::format("No resource {} is visible to you", id.text()));
  return Authorized(std::move(resource));
}

Authorized<model::Resource> Access::resource(model::ResourceId id, model::ResourceRight needed) const {
  auto seen = resource(id);
  if (needed == model::ResourceRight::manage && on(*seen) != model::ResourceRight::manage)
    throw Error(ErrorCode::resource_denied, fmt::format("You may use the resource {}, not change it: that needs the right \"{}\"", id.text(), name(needed)));
  return seen;
}

Authorized<model::Group> Access::own_group(model::Gid gid) const {
  auto group = picture_.groups.find(gid);
  if (!group || group->phase != model::Phase::ready || !caller_.in(gid))
    throw Error(ErrorCode::group_not_found, fmt::format("You are in no group {}", model::number(gid)));
  return Authorized(std::move(group));
}

void Access::require_group(model::Gid group, ErrorCode denied, const char* sentence) const {
  if (!caller_.in(group)) throw Error(denied, sentence);
}

}  // namespace velocity::service
