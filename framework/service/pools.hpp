// Storage pools: where volumes lie. Included by the routes of /r/pools.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framework/model/resource.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

struct PoolView {
  model::Pool pool;
  std::size_t volumes = 0;
  std::optional<std::int64_t> size_mb, free_mb;  // of its file system; nothing when that cannot be asked
  bool tells_path = false;                       // the caller may know where it is
};

// Thread-safe. Every pool is a directory of the host. Its path comes from pool managers alone, and only they are told it.
class Pools {
 public:
  // Opens all that there are. `forbidden`: the server's own directory, in which no pool may be.
  Pools(Inventory& inventory, storage::Volumes& volumes, std::filesystem::path forbidden);

  std::vector<PoolView> list(const Caller& caller) const;  // the default one first
  // pool_denied, pool_name_taken, request_invalid for a directory that is none, cannot be written, or is a pool's already.
  model::Pool create(const Caller& caller, const std::string& name, const std::string& path);
  void remove(const Caller& caller, const std::string& name);  // pool_denied, pool_not_found, pool_in_use with the `rid` of one that is in it

 private:
  Inventory& inventory_;
  storage::Volumes& volumes_;
  std::filesystem::path forbidden_;
};

// pool_not_found.
void require_pool(const Picture& picture, const std::string& name);

}  // namespace velocity::service
