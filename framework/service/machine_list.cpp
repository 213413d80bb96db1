// Machines::list(): a page costs what is on it, however many machines and catalogs there are beside it.
#include <algorithm>
#include <map>

#include "framework/service/access.hpp"
#include "framework/service/machines.hpp"

namespace velocity::service {
namespace {

using model::CatalogId;
using model::MachineId;
using model::Permission;
using MachinePointer = std::shared_ptr<const model::Machine>;

// Up to so many catalogs a page is put together from each one's machines; of more, all machines are gone through.
constexpr std::size_t kFewCatalogs = 16;

class Page {
 public:
  Page(const Picture& picture, const Caller& caller, const MachineFilter& filter)
      : picture_(picture), caller_(caller), access_(picture, caller), filter_(filter) {}

  // In the order of their ids; one more than the page has, if there are more.
  std::vector<MachinePointer> collect() {
    if (filter_.catalog) return from_catalogs({*filter_.catalog});
    if (!caller_.is_root())
      if (const auto catalogs = few_catalogs()) return from_catalogs(*catalogs);
    std::vector<MachinePointer> found;
    picture_.machines.visit_from(filter_.after.value_or(MachineId()), [&](const MachineId&, const auto& machine) {
      if (wanted(*machine)) found.push_back(machine);
      return found.size() <= filter_.limit;
    });
    return found;
  }

 private:
  // Asked once for each catalog, not once for each machine.
  bool viewable(CatalogId id) {
    const auto known = viewable_.find(id);
    if (known != viewable_.end()) return known->second;
    const auto catalog = picture_.catalogs.find(id);
    return viewable_[id] = catalog && catalog->phase == model::Phase::ready && access_.on(*catalog).has(Permission::view);
  }

  bool wanted(const model::Machine& machine) {
    return machine.phase == model::Phase::ready && (!filter_.after || *filter_.after < machine.id) && viewable(machine.catalog) &&
           (!filter_.type || machine.type == *filter_.type) && (!filter_.name || machine.name == *filter_.name) &&
           (!filter_.state || picture_.runtime(machine.id).state == *filter_.state);
  }

  // The catalogs of the caller's groups, if they are few.
  std::optional<std::vector<CatalogId>> few_catalogs() const {
    std::vector<CatalogId> catalogs;
    for (const auto gid : caller_.user().groups) {
      picture_.group_catalogs.visit_from({gid, CatalogId()}, [&](const Picture::GroupCatalog& key, const auto&) {
        if (key.first != gid) return false;
        if (std::find(catalogs.begin(), catalogs.end(), key.second) == catalogs.end()) catalogs.push_back(key.second);
        return catalogs.size() <= kFewCatalogs;
      });
      if (catalogs.size() > kFewCatalogs) return std::nullopt;
    }
    return catalogs;
  }

  std::vector<MachinePointer> from_catalogs(const std::vector<CatalogId>& catalogs) {
    std::vector<MachinePointer> found;
    for (const auto& catalog : catalogs) add_from(catalog, found);
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->id < b->id; });
    if (found.size() > filter_.limit + 1) found.resize(filter_.limit + 1);
    return found;
  }

  void add_from(CatalogId catalog, std::vector<MachinePointer>& found) {
    if (filter_.name) {  // at most one has it
      const auto id = picture_.machine_names.find({catalog, *filter_.name});
      if (const auto machine = id ? picture_.machines.find(*id) : nullptr; machine && wanted(*machine)) found.push_back(machine);
      return;
    }
    std::size_t count = 0;
    picture_.catalog_machines.visit_from({catalog, filter_.after.value_or(MachineId())}, [&](const Picture::MachineInCatalog& key, const auto&) {
      if (key.first != catalog) return false;
      const auto machine = picture_.machines.find(key.second);
      if (!wanted(*machine)) return true;
      found.push_back(machine);
      return ++count <= filter_.limit;
    });
  }

  const Picture& picture_;
  const Caller& caller_;
  const Access access_;
  const MachineFilter& filter_;
  std::map<CatalogId, bool> viewable_;
};

}  // namespace

MachinePage Machines::list(const Caller& caller, const MachineFilter& filter) const {
  const auto picture = inventory_.picture();
  const Access access(*picture, caller);
  if (filter.catalog) access.catalog(*filter.catalog, Permission::view);
  auto found = Page(*picture, caller, filter).collect();
  MachinePage page;
  if (found.size() > filter.limit) {
    found.resize(filter.limit);
    page.next = found.back()->id;
  }
  for (auto& machine : found) page.machines.push_back(view(*picture, access, std::move(machine)));
  return page;
}

}  // namespace velocity::service
