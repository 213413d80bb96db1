#include "framework/service/catalogs.hpp"

#include <fmt/format.h>

#include "framework/service/access.hpp"
#include "framework/service/replies.hpp"
#include "framework/service/removal.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Permission;

std::size_t machines_in(const Picture& picture, model::CatalogId id) {
  std::size_t count = 0;
  picture.machine_names.visit_from({id, ""}, [&](const Picture::NameInCatalog& key, const auto& machine_id) {
    if (key.first != id) return false;
    if (const auto machine = picture.machines.find(*machine_id); machine && machine->phase == model::Phase::ready) ++count;
    return true;
  });
  return count;
}

CatalogView view(const Picture& picture, const Caller& caller, std::shared_ptr<const model::Catalog> catalog) {
  const auto permissions = Access(picture, caller).on(*catalog);
  const auto machines = machines_in(picture, catalog->id);
  return {std::move(catalog), permissions, machines};
}

}  // namespace

Catalogs::Catalogs(Inventory& inventory, Removal& removal) : inventory_(inventory), removal_(removal) {}

model::CatalogId Catalogs::create(const Caller& caller, model::Gid group, const std::string& label) {
  model::Catalog catalog{model::CatalogId::random(), label, group, {}, model::Phase::ready};
  inventory_.change([&](Change& change) {
    const Access access(change.picture(), caller);
    access.require_group(model::kCatalogManagers, ErrorCode::catalog_denied, "Only members of the group catalogmanager can create catalogs");
    access.own_group(group);
    change.put(catalog);
    note_result(change, caller, {{"cid", catalog.id.text()}});
  });
  return catalog.id;
}

void Catalogs::remove(const Caller& caller, model::CatalogId id) {
  Access(*inventory_.picture(), caller)
      .require_group(model::kCatalogManagers, ErrorCode::catalog_denied, "Only members of the group catalogmanager can remove catalogs");
  Access(*inventory_.picture(), caller).catalog(id);
  removal_.require_hypervisor();
  Doomed doomed;
  inventory_.change([&](Change& change) { doomed = removal_.mark(change, Access(change.picture(), caller).catalog(id)); });
  removal_.carry_out(doomed);
}

std::vector<CatalogView> Catalogs::list(const Caller& caller) const {
  const auto picture = inventory_.picture();
  const Access access(*picture, caller);
  std::vector<CatalogView> views;
  picture->catalogs.visit_all([&](const auto&, const auto& catalog) {
    if (catalog->phase == model::Phase::ready && access.on(*catalog).any()) views.push_back(view(*picture, caller, catalog));
  });
  return views;
}

CatalogView Catalogs::get(const Caller& caller, model::CatalogId id) const {
  const auto picture = inventory_.picture();
  return view(*picture, caller, Access(*picture, caller).catalog(id).pointer());
}

std::vector<Share> Catalogs::shares(const Caller& caller, model::CatalogId id) const {
  const auto picture = inventory_.picture();
  const auto catalog = Access(*picture, caller).catalog(id, Permission::manage);
  std::vector<Share> shares;
  for (const auto& [group, permissions] : catalog->shares) shares.push_back({group, permissions});
  return shares;
}

void Catalogs::share(const Caller& caller, model::CatalogId id, const Share& share) {
  inventory_.change([&](Change& change) {
    const auto& picture = change.picture();
    const Access access(picture, caller);
    auto catalog = *access.catalog(id, Permission::manage);
    if (!access.on(catalog).includes(share.permissions))
      throw Error(ErrorCode::catalog_denied, "You cannot share a permission that you do not have yourself");
    const auto group = picture.groups.find(share.group);
    if (!group || group->phase != model::Phase::ready)
      throw Error(ErrorCode::group_not_found, fmt::format("There is no group {}", model::number(share.group)));
    catalog.shares[share.group] = share.permissions;
    change.put(catalog);
  });
}

void Catalogs::revoke(const Caller& caller, model::CatalogId id, model::Gid group) {
  inventory_.change([&](Change& change) {
    auto catalog = *Access(change.picture(), caller).catalog(id, Permission::manage);
    if (catalog.shares.erase(group) == 0)
      throw Error(ErrorCode::share_not_found, fmt::format("The catalog is not shared with the group {}", model::number(group)));
    change.put(catalog);
  });
}

}  // namespace velocity::service
