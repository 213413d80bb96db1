#include "framework/service/pools.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>

#include "framework/model/error.hpp"
#include "framework/service/access.hpp"
#include "framework/service/libvirt_pool.hpp"
#include "framework/service/replies.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
namespace fs = std::filesystem;

constexpr std::int64_t kMebibyte = 1 << 20;
constexpr std::chrono::milliseconds kMeasuring{100};  // how long one waits to ask how large a file system is
constexpr const char* kOurs = "velocity";  // what is made in the directory: nothing beside it is touched

fs::path volumes_of(const model::Pool& pool) { return fs::path(pool.spec.value("path", "")) / kOurs; }

bool lies_in(const fs::path& path, const fs::path& directory) {
  return std::mismatch(path.begin(), path.end(), directory.begin(), directory.end()).second == directory.end();
}

bool overlap(const fs::path& one, const fs::path& other) { return lies_in(one, other) || lies_in(other, one); }

void require_manager(const Picture& picture, const Caller& caller) {
  Access(picture, caller).require_group(model::kPoolManagers, ErrorCode::pool_denied, "Only members of poolmanager change storage pools");
}

void require_free_name(const Picture& picture, const std::string& name) {
  if (name == model::kDefaultPool || picture.pools.find(name))
    throw Error(ErrorCode::pool_name_taken, fmt::format("There is a storage pool \"{}\" already", name));
}

// Its one spelling. What is wrong with it is told to those alone who may name one.
fs::path usable(const std::string& text, const fs::path& forbidden) {
  const auto refuse = [](const char* why) { throw Error(std::vector<model::Problem>{{"/path", why}}); };
  const fs::path path(text);
  if (!path.is_absolute() || path.lexically_normal().native() != path.native() || !path.has_filename())
    refuse("must be an absolute path without dots and without a slash at its end");
  std::error_code failed;
  const auto real = fs::canonical(path, failed);
  if (failed || !fs::is_directory(real, failed)) refuse("must be a directory of this host");
  if (real != path) refuse("must not go through symbolic links");
  if (overlap(real, forbidden)) refuse("must be apart from the server's own directory");
  if (::access(real.c_str(), R_OK | W_OK | X_OK) != 0) refuse("must be writable by the server");
  return real;
}

std::optional<model::ResourceId> volume_in(const Picture& picture, const std::string& name, std::size_t* count = nullptr) {
  std::optional<model::ResourceId> found;
  picture.resources.visit_all([&](const auto& id, const auto& resource) {
    if (resource->kind != model::ResourceKind::storage || resource->pool != name) return;
    found = id;
    if (count) ++*count;
  });
  return found;
}

model::Pool row_of(const libvirt::StoragePool& pool) {
  return {pool.name, {{"type", pool.type}, {"path", pool.target.string()}, {"libvirt", true}}, static_cast<std::int64_t>(std::time(nullptr))};
}

// By name; nothing when the hypervisor cannot be asked.
std::optional<std::map<std::string, libvirt::StoragePool>> libvirts_pools(libvirt::Host& host) {
  try {
    std::map<std::string, libvirt::StoragePool> pools;
    for (auto& pool : libvirt::StoragePools(host).list()) pools.emplace(pool.name, std::move(pool));
    return pools;
  } catch (const Error& error) {
    spdlog::debug("the hypervisor's storage pools are not known: {}", error.detail());
    return std::nullopt;
  }
}

void measure(PoolView& view, std::int64_t size, std::int64_t free) {
  view.size_mb = size / kMebibyte;
  view.free_mb = free / kMebibyte;
}

}  // namespace

void require_pool(const Picture& picture, const std::string& name) {
  if (name != model::kDefaultPool && !picture.pools.find(name))
    throw Error(ErrorCode::pool_not_found, fmt::format("There is no storage pool \"{}\"", name));
}

bool is_libvirts(const model::Pool& pool) { return pool.spec.value("libvirt", false); }

bool is_libvirts(const Picture& picture, const std::string& name) {
  const auto pool = picture.pools.find(name);
  return pool && is_libvirts(*pool);
}

Pools::Pools(Inventory& inventory, storage::Volumes& volumes, fs::path forbidden, libvirt::Host& host)
    : inventory_(inventory), volumes_(volumes), forbidden_(fs::weakly_canonical(std::move(forbidden))), host_(host) {
  const auto picture = inventory_.picture();
  picture->pools.visit_all([&](const auto& name, const auto& pool) {
    try {
      open(*pool);
    } catch (const Error& error) {
      spdlog::warn("the storage pool {} cannot be used: {}", name, error.detail());
    }
  });
  picture->resources.visit_all([&](const auto& id, const auto& resource) { volumes_.place(id, resource->pool); });
}

void Pools::open(const model::Pool& pool) {
  if (is_libvirts(pool))
    volumes_.open_pool(pool.name, std::make_shared<LibvirtPool>(host_, pool.name, pool.spec.value("type", ""), pool.spec.value("path", "")));
  else
    volumes_.open_pool(pool.name, volumes_of(pool));
}

std::vector<PoolView> Pools::list(const Caller& caller) const {
  const auto picture = inventory_.picture();
  const bool manager = caller.in(model::kPoolManagers);
  std::vector<PoolView> views;
  const auto add = [&](const model::Pool& pool) -> PoolView& {
    PoolView view{pool, 0, std::nullopt, std::nullopt, "", true, manager};
    volume_in(*picture, pool.name, &view.volumes);
    return views.emplace_back(std::move(view));
  };
  const auto add_directory = [&](const model::Pool& pool, const fs::path& directory) {
    auto& view = add(pool);
    if (!measuring_.try_acquire_for(kMeasuring)) return;
    std::error_code failed;
    const auto space = fs::space(directory, failed);
    measuring_.release();
    view.state = failed ? "missing" : "running";
    if (!failed) measure(view, static_cast<std::int64_t>(space.capacity), static_cast<std::int64_t>(space.available));
  };
  auto found = libvirts_pools(host_);
  const auto first = volumes_.path(model::ResourceId()).parent_path();
  add_directory({model::kDefaultPool, {{"type", "dir"}, {"path", first.string()}}}, first);
  picture->pools.visit_all([&](const auto& name, const auto& pool) {
    if (!is_libvirts(*pool)) return add_directory(*pool, volumes_of(*pool));
    auto& view = add(*pool);
    if (!found) return;
    const auto known = found->extract(name);
    view.state = known ? known.mapped().state : "missing";
    if (known) measure(view, known.mapped().capacity, known.mapped().available);
  });
  if (!found || !manager) return views;
  for (const auto& [name, pool] : *found) {
    PoolView view{row_of(pool), 0, std::nullopt, std::nullopt, pool.state, false, true};
    measure(view, pool.capacity, pool.available);
    views.push_back(std::move(view));
  }
  return views;
}

model::Pool Pools::create(const Caller& caller, const std::string& name, const std::string& path) {
  require_manager(*inventory_.picture(), caller);
  require_free_name(*inventory_.picture(), name);
  const model::Pool pool{name, {{"type", "dir"}, {"path", usable(path, forbidden_).string()}}, static_cast<std::int64_t>(std::time(nullptr))};
  // Here and never again. Before its row: a pool whose directory is not there is one whose file system is not mounted.
  const auto directory = volumes_of(pool);
  const bool made = ::mkdir(directory.c_str(), 0700) == 0;
  try {
    add(caller, pool);
  } catch (...) {
    if (made) ::rmdir(directory.c_str());
    throw;
  }
  return pool;
}

model::Pool Pools::take_up(const Caller& caller, const std::string& name) {
  require_manager(*inventory_.picture(), caller);
  require_free_name(*inventory_.picture(), name);
  const auto known = libvirt::StoragePools(host_).list();
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& pool) { return pool.name == name; });
  if (found == known.end()) throw Error(ErrorCode::pool_not_found, fmt::format("The hypervisor has no storage pool \"{}\"", name));
  const auto refuse = [](std::string why) { throw Error(std::vector<model::Problem>{{"/name", std::move(why)}}); };
  if (!LibvirtPool::serves(found->type) || !found->target.is_absolute())
    refuse(fmt::format("must be a pool of the type dir, fs, netfs or logical: in one of the type {} no disks can be made for machines", found->type));
  if (overlap(found->target, forbidden_)) refuse("must be apart from the server's own directory");
  const auto pool = row_of(*found);
  add(caller, pool);
  return pool;
}

void Pools::add(const Caller& caller, const model::Pool& pool) {
  inventory_.change([&](Change& change) {
    require_manager(change.picture(), caller);
    require_free_name(change.picture(), pool.name);
    change.picture().pools.visit_all([&](const auto&, const auto& other) {
      if (overlap(other->spec.value("path", ""), pool.spec.value("path", "")))
        throw Error(std::vector<model::Problem>{{is_libvirts(pool) ? "/name" : "/path", fmt::format("must be apart from the pool \"{}\"", other->name)}});
    });
    change.put(pool);
    // The row is all of it: a server that dies now opens the pool at its next start.
    note_result(change, caller, {{"name", pool.name}, {"type", pool.spec.at("type")}, {"path", pool.spec.at("path")}});
  });
  try {
    open(pool);
  } catch (...) {
    inventory_.change([&](Change& change) { change.erase_pool(pool.name); });
    volumes_.close_pool(pool.name);
    throw;
  }
}

void Pools::remove(const Caller& caller, const std::string& name) {
  inventory_.change([&](Change& change) {
    const auto& picture = change.picture();
    require_manager(picture, caller);
    if (name == model::kDefaultPool) throw Error(std::vector<model::Problem>{{"/name", "must be another one: the server cannot be without its default pool"}});
    require_pool(picture, name);
    if (const auto volume = volume_in(picture, name))
      throw Error(ErrorCode::pool_in_use, fmt::format("The disk {} is in it", volume->text())).with("rid", volume->text());
    change.erase_pool(name);
  });
  volumes_.close_pool(name);
}

}  // namespace velocity::service
