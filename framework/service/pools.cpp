#include "framework/service/pools.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "framework/model/error.hpp"
#include "framework/service/access.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
namespace fs = std::filesystem;

constexpr std::int64_t kMebibyte = 1 << 20;
constexpr const char* kOurs = "velocity";  // what is made in the directory: nothing beside it is touched

fs::path volumes_of(const model::Pool& pool) { return fs::path(pool.spec.value("path", "")) / kOurs; }

bool lies_in(const fs::path& path, const fs::path& directory) {
  return std::mismatch(path.begin(), path.end(), directory.begin(), directory.end()).second == directory.end();
}

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
  if (lies_in(real, forbidden) || lies_in(forbidden, real)) refuse("must be apart from the server's own directory");
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

}  // namespace

void require_pool(const Picture& picture, const std::string& name) {
  if (name != model::kDefaultPool && !picture.pools.find(name))
    throw Error(ErrorCode::pool_not_found, fmt::format("There is no storage pool \"{}\"", name));
}

Pools::Pools(Inventory& inventory, storage::Volumes& volumes, fs::path forbidden)
    : inventory_(inventory), volumes_(volumes), forbidden_(fs::weakly_canonical(std::move(forbidden))) {
  const auto picture = inventory_.picture();
  picture->pools.visit_all([&](const auto& name, const auto& pool) {
    try {
      volumes_.open_pool(name, volumes_of(*pool));
    } catch (const Error& error) {
      spdlog::warn("the storage pool {} cannot be used: {}", name, error.detail());
    }
  });
  picture->resources.visit_all([&](const auto& id, const auto& resource) { volumes_.place(id, resource->pool); });
}

std::vector<PoolView> Pools::list(const Caller& caller) const {
  const auto picture = inventory_.picture();
  std::vector<PoolView> views;
  const auto add = [&](const model::Pool& pool, const fs::path& directory) {
    PoolView view{pool, 0, std::nullopt, std::nullopt, caller.in(model::kPoolManagers)};
    volume_in(*picture, pool.name, &view.volumes);
    std::error_code failed;
    if (const auto space = fs::space(directory, failed); !failed) {
      view.size_mb = static_cast<std::int64_t>(space.capacity) / kMebibyte;
      view.free_mb = static_cast<std::int64_t>(space.available) / kMebibyte;
    }
    views.push_back(std::move(view));
  };
  const auto first = volumes_.path(model::ResourceId()).parent_path();
  add({model::kDefaultPool, {{"type", "dir"}, {"path", first.string()}}}, first);
  picture->pools.visit_all([&](const auto&, const auto& pool) { add(*pool, volumes_of(*pool)); });
  return views;
}

model::Pool Pools::create(const Caller& caller, const std::string& name, const std::string& path) {
  require_manager(*inventory_.picture(), caller);
  require_free_name(*inventory_.picture(), name);
  model::Pool pool{name, {{"type", "dir"}, {"path", usable(path, forbidden_).string()}}, static_cast<std::int64_t>(std::time(nullptr))};
  inventory_.change([&](Change& change) {
    require_manager(change.picture(), caller);
    require_free_name(change.picture(), name);
    change.picture().pools.visit_all([&](const auto&, const auto& other) {
      const fs::path there(other->spec.value("path", "")), here(pool.spec.value("path", ""));
      if (lies_in(here, there) || lies_in(there, here)) throw Error(std::vector<model::Problem>{{"/path", fmt::format("must be apart from the pool \"{}\"", other->name)}});
    });
    change.put(pool);
  });
  try {
    volumes_.open_pool(name, volumes_of(pool));
  } catch (...) {
    inventory_.change([&](Change& change) { change.erase_pool(name); });
    volumes_.close_pool(name);
    throw;
  }
  return pool;
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
