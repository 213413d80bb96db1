// Limits on what groups take, and how much they have taken. They are kept by Change (inventory.hpp), whoever makes a thing. Included by the
// routes of /u/group/quota.
#pragma once

#include "framework/model/quota.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

struct QuotaView {
  model::Quota quota;
  model::Amounts taken{};
};

// Thread-safe.
class Quotas {
 public:
  explicit Quotas(Inventory& inventory) : inventory_(inventory) {}

  // For members of the group and for pool managers. group_not_found: absent, or neither.
  QuotaView get(const Caller& caller, model::Gid group) const;
  // quota_denied unless the caller is a pool manager; group_not_found. A limit may be lower than what is taken: then nothing more is.
  QuotaView set(const Caller& caller, const model::Quota& quota);

 private:
  Inventory& inventory_;
};

}  // namespace velocity::service
