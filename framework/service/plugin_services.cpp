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

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::FieldReader;
using model::Json;

constexpr std::int64_t kMebibyte = 1 << 20;
constexpr std::int64_t kMostMebibytes = std::int64_t{64} << 20;  // 64 TiB

model::ResourceId read_rid(FieldReader& fields) { return fields.require("rid", fields.id<model::ResourceId>("rid")); }

Json create_volume(const PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  const auto size = fields.require("size_mb", fields.integer("size_mb", 1, kMostMebibytes));
  const auto format_name = fields.require("format", fields.text("format"));
  const auto format = storage::find_format(format_name);
  if (!format) fields.note("format", "must be raw or qcow2");
  fields.finish();
  lent.volumes.create(rid, *format, size * kMebibyte);
  return Json::object();
}

Json remove_volume(const PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  fields.finish();
  lent.volumes.remove(rid);
  return Json::object();
}

Json create_directory(const PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  fields.finish();
  const auto directory = lent.run / rid.text();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    throw Error(ErrorCode::storage_failed, "The directory for the resource's sockets cannot be made", std::strerror(errno));
  return Json::object();
}

Json remove_directory(const PluginServices::Lent& lent, const Json& request) {
  FieldReader fields(request);
  const auto rid = read_rid(fields);
  fields.finish();
  std::error_code failed;
  std::filesystem::remove_all(lent.run / rid.text(), failed);
  if (failed) throw Error(ErrorCode::storage_failed, "The directory of the resource's sockets cannot be removed", failed.message());
  return Json::object();
}

using Service = Json (*)(const PluginServices::Lent&, const Json&);
constexpr std::pair<std::string_view, Service> kServices[] = {
    {"volume.create", create_volume},
    {"volume.remove", remove_volume},
    {"directory.create", create_directory},
    {"directory.remove", remove_directory},
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
