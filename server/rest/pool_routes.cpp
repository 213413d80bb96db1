// /r/pools: where disks lie.
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

Json to_json(const service::PoolView& view) {
  Json document{{"name", view.pool.name}, {"type", view.pool.spec.value("type", "dir")}, {"volumes", view.volumes},
                {"libvirt", service::is_libvirts(view.pool)}, {"offered", view.offered}};
  document["state"] = view.state.empty() ? Json(nullptr) : Json(view.state);
  document["size_mb"] = view.size_mb ? Json(*view.size_mb) : Json(nullptr);
  document["free_mb"] = view.free_mb ? Json(*view.free_mb) : Json(nullptr);
  if (view.tells_path) document["path"] = view.pool.spec.value("path", "");
  return document;
}

Answer show(const service::Pools& pools, Request& request) {
  Json list = Json::array();
  for (const auto& view : pools.list(request.caller())) list.push_back(to_json(view));
  return Answer::json({{"pools", std::move(list)}});
}

Answer create(service::Pools& pools, Request& request) {
  model::FieldReader fields(request.fields);
  const auto name = fields.require("name", fields.name("name"));
  const auto type = fields.text("type").value_or("dir");
  const bool libvirts = type == "libvirt";
  if (type != "dir" && !libvirts) fields.note("type", "must be dir, or libvirt for one that the hypervisor's libvirtd has under this name");
  const auto path = libvirts ? std::string() : fields.require("path", fields.text("path"));
  fields.finish_closed();
  const auto pool = libvirts ? pools.take_up(request.caller(), name) : pools.create(request.caller(), name, path);
  return Answer::json({{"name", pool.name}, {"type", pool.spec.at("type")}, {"path", pool.spec.at("path")}});
}

Answer remove(service::Pools& pools, Request& request) {
  model::FieldReader fields(request.fields);
  const auto name = fields.require("name", fields.text("name"));
  fields.finish_closed();
  pools.remove(request.caller(), name);
  return Answer::empty();
}

}  // namespace

std::vector<Route> pool_routes(service::Services services) {
  auto& pools = services.pools;
  return {
      {Method::get, "/r/pools", Credential::caller, "The storage pools, with their sizes", "", [&pools](Request& request) { return show(pools, request); }},
      {Method::put, "/r/pools", Credential::caller, "Make a directory of the host, or a storage pool of libvirt's, one in which disks can be made", "poolmanager",
       [&pools](Request& request) { return create(pools, request); }},
      {Method::remove, "/r/pools", Credential::caller, "Give up a storage pool that is empty", "poolmanager",
       [&pools](Request& request) { return remove(pools, request); }},
  };
}

}  // namespace velocity::rest
