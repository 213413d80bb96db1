// To which groups a resource is lent, and for what. Included by the routes of /r/share.
#pragma once

#include <map>

#include "framework/model/resource.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

// Thread-safe. Every function needs the right to manage the resource: resource_not_found when the caller does not see it, resource_denied.
class ResourceShares {
 public:
  explicit ResourceShares(Inventory& inventory) : inventory_(inventory) {}

  std::map<model::Gid, model::ResourceRight> list(const Caller& caller, model::ResourceId id) const;
  void share(const Caller& caller, model::ResourceId id, model::Gid group, model::ResourceRight right);  // group_not_found
  // share_not_found. A machine that has the resource keeps it; nobody of the group gives it to another.
  void revoke(const Caller& caller, model::ResourceId id, model::Gid group);

 private:
  Inventory& inventory_;
};

}  // namespace velocity::service
