// What stands beside the maps of a picture: names, uses, and what each group has taken. Included by the inventory alone.
#pragma once

#include <optional>

#include "framework/service/inventory.hpp"

namespace velocity::service {

// What a machine takes counts for the group that owns its catalog.
std::optional<model::Gid> payer(const Picture& picture, const model::Machine& machine);

// The one place for loading and for changes. A row is indexed once it is in its map, and forgotten before it is replaced or goes.
void index(Picture& picture, const model::User& user);
void index(Picture& picture, const model::Group& group);
void index(Picture& picture, const model::Resource& resource);
void index(Picture& picture, const model::Catalog& catalog);
void index(Picture& picture, const model::Machine& machine);
void index(Picture& picture, const model::Upload& upload);
void index(Picture& picture, const model::Snapshot& snapshot);
void forget(Picture& picture, const model::User& user);
void forget(Picture& picture, const model::Group& group);
void forget(Picture& picture, const model::Resource& resource);
void forget(Picture& picture, const model::Catalog& catalog);
void forget(Picture& picture, const model::Machine& machine);
void forget(Picture& picture, const model::Upload& upload);
void forget(Picture& picture, const model::Snapshot& snapshot);

}  // namespace velocity::service
