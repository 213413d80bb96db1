#include "framework/service/quotas.hpp"

#include <fmt/format.h>

#include "framework/model/error.hpp"
#include "framework/service/access.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

void require_group(const Picture& picture, model::Gid gid) {
  const auto group = picture.groups.find(gid);
  if (!group || group->phase != model::Phase::ready)
    throw Error(ErrorCode::group_not_found, fmt::format("No group {} is visible to you", model::number(gid)));
}

}  // namespace

QuotaView Quotas::get(const Caller& caller, model::Gid group) const {
  const auto picture = inventory_.picture();
  if (!caller.in(model::kPoolManagers) && !caller.in(group))
    throw Error(ErrorCode::group_not_found, fmt::format("No group {} is visible to you", model::number(group)));
  require_group(*picture, group);
  const auto quota = picture->quotas.find(group);
  return {quota ? *quota : model::Quota{group, {}}, picture->taken_by(group)};
}

QuotaView Quotas::set(const Caller& caller, const model::Quota& quota) {
  Access(*inventory_.picture(), caller).require_group(model::kPoolManagers, ErrorCode::quota_denied, "Only members of the group poolmanager set quotas");
  inventory_.change([&](Change& change) {
    require_group(change.picture(), quota.group);
    change.put(quota);
  });
  return get(caller, quota.group);
}

}  // namespace velocity::service
