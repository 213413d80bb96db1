#include "framework/service/resource_shares.hpp"

#include <fmt/format.h>

#include "framework/service/access.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::ResourceRight;

}  // namespace

std::map<model::Gid, ResourceRight> ResourceShares::list(const Caller& caller, model::ResourceId id) const {
  return Access(*inventory_.picture(), caller).resource(id, ResourceRight::manage)->shares;
}

void ResourceShares::share(const Caller& caller, model::ResourceId id, model::Gid gid, ResourceRight right) {
  inventory_.change([&](Change& change) {
    auto resource = *Access(change.picture(), caller).resource(id, ResourceRight::manage);
    const auto group = change.picture().groups.find(gid);
    if (!group || group->phase != model::Phase::ready) throw Error(ErrorCode::group_not_found, fmt::format("There is no group {}", model::number(gid)));
    resource.shares[gid] = right;
    change.put(resource);
  });
}

void ResourceShares::revoke(const Caller& caller, model::ResourceId id, model::Gid group) {
  inventory_.change([&](Change& change) {
    auto resource = *Access(change.picture(), caller).resource(id, ResourceRight::manage);
    if (resource.shares.erase(group) == 0)
      throw Error(ErrorCode::share_not_found, fmt::format("The resource is not shared with the group {}", model::number(group)));
    change.put(resource);
  });
}

}  // namespace velocity::service
