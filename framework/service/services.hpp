// All that the server's rooms may call. Included by the edge and the REST room; the daemon makes it.
#pragma once

#include "framework/plugin/registry.hpp"
#include "framework/service/accounts.hpp"
#include "framework/service/alterations.hpp"
#include "framework/service/catalogs.hpp"
#include "framework/service/clones.hpp"
#include "framework/service/contents.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/machines.hpp"
#include "framework/service/pools.hpp"
#include "framework/service/power.hpp"
#include "framework/service/quotas.hpp"
#include "framework/service/resource_changes.hpp"
#include "framework/service/resource_shares.hpp"
#include "framework/service/resources.hpp"
#include "framework/service/sessions.hpp"
#include "framework/service/snapshots.hpp"
#include "framework/service/uploads.hpp"
#include "framework/service/watch.hpp"

namespace velocity::service {

struct Services {
  Inventory& inventory;
  const plugin::Registry& registry;
  Sessions& sessions;
  Accounts& accounts;
  Quotas& quotas;
  Catalogs& catalogs;
  Resources& resources;
  ResourceShares& resource_shares;
  Uploads& uploads;
  Machines& machines;
  Power& power;
  Contents& contents;
  ResourceChanges& resource_changes;
  Pools& pools;
  Alterations& alterations;
  Snapshots& snapshots;
  Clones& clones;
  Watch& watch;
};

}  // namespace velocity::service
