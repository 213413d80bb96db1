// Catalogs and their shares. Included by the routes of /c.
#pragma once

#include <string>
#include <vector>

#include "framework/model/catalog.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

class Removal;

struct CatalogView {
  std::shared_ptr<const model::Catalog> catalog;
  model::Permissions permissions;  // the caller's own
  std::size_t machines = 0;
};

struct Share {
  model::Gid group{};
  model::Permissions permissions;
};

// Thread-safe. Errors: catalog_denied for a right that the caller lacks on a catalog that it sees, catalog_not_found for one that it
// does not see, whether it exists or not.
class Catalogs {
 public:
  Catalogs(Inventory& inventory, Removal& removal);

  model::CatalogId create(const Caller& caller, model::Gid group, const std::string& label);
  void remove(const Caller& caller, model::CatalogId id);
  std::vector<CatalogView> list(const Caller& caller) const;
  CatalogView get(const Caller& caller, model::CatalogId id) const;

  std::vector<Share> shares(const Caller& caller, model::CatalogId id) const;
  void share(const Caller& caller, model::CatalogId id, const Share& share);
  void revoke(const Caller& caller, model::CatalogId id, model::Gid group);  // share_not_found

 private:
  Inventory& inventory_;
  Removal& removal_;
};

}  // namespace velocity::service
