// Storage pools: where volumes lie. Included by the routes of /r/pools.
#pragma once

#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "framework/libvirt/storage_pools.hpp"
#include "framework/model/resource.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

struct PoolView {
  model::Pool pool;
  std::size_t volumes = 0;
  std::optional<std::int64_t> size_mb, free_mb;  // nothing when that cannot be asked
  std::string state;                             // running; else libvirt's word, `missing`, or empty when that cannot be asked now
  bool offered = true;                           // disks may be made in it; else it is one of libvirt's that nobody has taken up
  bool tells_path = false;                       // the caller may know where it is
};

// Thread-safe. A pool is a directory of the server's host, whose path comes from pool managers alone, or one of the hypervisor's libvirtd, which
// they take up by its name. Only they are told where a pool is, and which ones libvirt has beside.
class Pools {
 public:
  // Opens all that there are. `forbidden`: the server's own directory, in which no pool may be.
  Pools(Inventory& inventory, storage::Volumes& volumes, std::filesystem::path forbidden, libvirt::Host& host);

  std::vector<PoolView> list(const Caller& caller) const;  // the default one first, those that are not offered last
  // pool_denied, pool_name_taken, request_invalid for a directory that is none, cannot be written, or is a pool's already.
  model::Pool create(const Caller& caller, const std::string& name, const std::string& path);
  // pool_denied, pool_name_taken, pool_not_found, request_invalid for one of a type in which no disks can be made for machines.
  model::Pool take_up(const Caller& caller, const std::string& name);
  void remove(const Caller& caller, const std::string& name);  // pool_denied, pool_not_found, pool_in_use with the `rid` of one that is in it

 private:
  void open(const model::Pool& pool);
  void add(const Caller& caller, const model::Pool& pool);

  Inventory& inventory_;
  storage::Volumes& volumes_;
  std::filesystem::path forbidden_;
  libvirt::Host& host_;
  mutable std::counting_semaphore<2> measuring_{2};  // a file system of the network may never answer
};

bool is_libvirts(const model::Pool& pool);
bool is_libvirts(const Picture& picture, const std::string& pool);

// pool_not_found.
void require_pool(const Picture& picture, const std::string& name);

}  // namespace velocity::service
