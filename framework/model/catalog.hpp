// A catalog: where machines live and where permissions on them are given. Included by the store and the services.
#pragma once

#include <map>
#include <string>

#include "framework/model/permission.hpp"
#include "framework/model/phase.hpp"
#include "framework/model/uuid.hpp"

namespace velocity::model {

struct Catalog {
  CatalogId id;
  std::string label;
  Gid group{};                        // the owner: holds all permissions
  std::map<Gid, Permissions> shares;  // what other groups were given
  Phase phase = Phase::ready;
};

}  // namespace velocity::model
