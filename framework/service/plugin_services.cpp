#include "framework/service/plugin_services.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "framework/model/error.hpp"
#include "framework/model/field_reader.hpp"
#include "framework/service/volume_use.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::FieldReader;
using model::Json;

constexpr std::int64_t kMebibyte = 1 << 20;
constexpr std::int64_t kMostMebibytes = std::int64_t{64} << 20;  // 64 TiB

model::ResourceId read_rid(FieldReader& fields) { return fields.require("rid", fields.id<model::ResourceId>("rid")); }

// The volume is made in the pool that its resource's row names.
void place(PluginServices::Lent& lent, model::ResourceId rid) {
  if (const auto resource = lent.inventory.picture()->resources.find(rid)) lent.volumes.place(rid, resource->pool);
}

Json create_volume(PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  const auto size = fields.require("size_mb", fields.integer("size_mb", 1, kMostMebibytes));
  const auto format_name = fields.require("format", fields.text("format"));
  const auto format = storage::find_format(format_name);
  if (!format) fields.note("format", "must be raw or qcow2");
  fields.finish();
  place(lent, rid);
  lent.volumes.create(rid, *format, size * kMebibyte);
  return Json::object();
}

Json remove_volume(PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  fields.finish();
  lent.volumes.remove(rid);
  return Json::object();
}

// Few at once: each takes the disk for as long as it lasts, and one of the workers.
class Copying {
 public:
  explicit Copying(std::atomic<int>& count) : count_(count) {
    constexpr int kMost = 2;
    if (++count_ <= kMost) return;
    --count_;
    throw Error(ErrorCode::server_busy, "Other images are being copied. Try again when they are done");
  }
  ~Copying() { --count_; }
  Copying(const Copying&) = delete;
  Copying& operator=(const Copying&) = delete;

 private:
  std::atomic<int>& count_;
};

Json clone_volume(PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  const auto source = fields.require("source", fields.id<model::ResourceId>("source"));
  const auto linked = fields.boolean("linked").value_or(false);
  const auto size = fields.integer("size_mb", 1, kMostMebibytes).value_or(0);
  fields.finish();
  const auto picture = lent.inventory.picture();
  const auto chain = chain_of(*picture, source);
  place(lent, rid);
  if (linked) {
    lent.volumes.create_overlay(rid, chain, size * kMebibyte);
    return Json::object();
  }
  require_clonable(*picture, source, false);
  const Copying copying(lent.copying);
  lent.volumes.clone(chain, rid, size * kMebibyte);
  return Json::object();
}

// While a machine runs, its QEMU alone may touch the image.
Json grow_volume(PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  const auto size = fields.require("size_mb", fields.integer("size_mb", 1, kMostMebibytes));
  fields.finish();
  const auto picture = lent.inventory.picture();
  const auto chain = chain_of(*picture, rid);
  if (const auto machine = machine_writing(*picture, *picture->resources.find(rid))) {
    if (lent.volumes.is_device(rid)) throw Error(ErrorCode::image_unsupported, "A block device of the host does not grow while a machine runs with it");
    lent.host.resize_block(*machine, lent.volumes.path(rid).string(), static_cast<std::uint64_t>(size * kMebibyte));
  } else {
    lent.volumes.grow(chain, size * kMebibyte);
  }
  return Json::object();
}

Json create_directory(PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  fields.finish();
  const auto directory = lent.run / rid.text();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    throw Error(ErrorCode::storage_failed, "The directory for the resource's sockets cannot be made", std::strerror(errno));
  return Json::object();
}

Json remove_directory(PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  fields.finish();
  std::error_code failed;
  std::filesystem::remove_all(lent.run / rid.text(), failed);
  if (failed) throw Error(ErrorCode::storage_failed, "The directory of the resource's sockets cannot be removed", failed.message());
  return Json::object();
}

Json list_interfaces(PluginServices::Lent& lent, const Json&) {
  auto list = Json::array();
  for (const auto& interface : lent.interfaces())
    list.push_back({{"key", interface.key},
                    {"name", interface.name},
                    {"mac_address", interface.mac},
                    {"joint", interface.joint == network::Joint::bridge ? "bridge" : "macvtap"},
                    {"up", interface.up},
                    {"mtu", interface.mtu}});
  return {{"interfaces", std::move(list)}};
}

using Service = Json (*)(PluginServices::Lent&, const Json&);
constexpr std::pair<std::string_view, Service> kServices[] = {
    {"volume.create", create_volume},
    {"volume.clone", clone_volume},
    {"volume.grow", grow_volume},
    {"volume.remove", remove_volume},
    {"directory.create", create_directory},
    {"directory.remove", remove_directory},
    {"host.interfaces", list_interfaces},
};

}  // namespace

void PluginServices::log(std::string_view plugin, int level, std::string_view message) {
  const auto known = static_cast<spdlog::level::level_enum>(std::clamp(level, 0, static_cast<int>(spdlog::level::err)));
  spdlog::log(known, "plugin {}: {}", plugin, message);
}

Json PluginServices::call(std::string_view plugin, std::string_view service, const Json& request) {
  for (const auto& [name, function] : kServices)
    if (name == service) return function(lent_, request);
  throw Error(ErrorCode::plugin_failed, "A plugin asked for a service that this server does not have", fmt::format("{}: {}", plugin, service));
}

}  // namespace velocity::service
