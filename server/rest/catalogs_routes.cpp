// /c: catalogs and their shares.
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

model::CatalogId read_cid(model::FieldReader& fields) { return fields.require("cid", fields.id<model::CatalogId>("cid")); }

Json to_json(const service::CatalogView& view) {
  Json permissions = Json::object();
  put_permissions(permissions, view.permissions);
  return {{"cid", view.catalog->id.text()},
          {"label", view.catalog->label},
          {"group", model::number(view.catalog->group)},
          {"permissions", std::move(permissions)},
          {"machines", view.machines}};
}

Answer create(service::Catalogs& catalogs, Request& request) {
  model::FieldReader fields(request.fields);
  const auto group = fields.require("group", read_gid(fields, "group"));
  const auto label = fields.require("label", fields.name("label"));
  fields.finish();
  return Answer::json({{"cid", catalogs.create(request.caller(), group, label).text()}});
}

Answer remove(service::Catalogs& catalogs, Request& request) {
  model::FieldReader fields(request.fields);
  const auto cid = read_cid(fields);
  fields.finish();
  catalogs.remove(request.caller(), cid);
  return Answer::empty();
}

Answer show(service::Catalogs& catalogs, Request& request) {
  model::FieldReader fields(request.fields);
  const auto cid = fields.id<model::CatalogId>("cid");
  fields.finish();
  if (cid) return Answer::json(to_json(catalogs.get(request.caller(), *cid)));
  Json list = Json::array();
  for (const auto& view : catalogs.list(request.caller())) list.push_back(to_json(view));
  return Answer::json({{"catalogs", std::move(list)}});
}

Answer shares(service::Catalogs& catalogs, Request& request) {
  model::FieldReader fields(request.fields);
  const auto cid = read_cid(fields);
  fields.finish();
  Json list = Json::array();
  for (const auto& share : catalogs.shares(request.caller(), cid)) {
    Json entry{{"gid", model::number(share.group)}};
    put_permissions(entry, share.permissions);
    list.push_back(std::move(entry));
  }
  return Answer::json({{"cid", cid.text()}, {"shares", std::move(list)}});
}

Answer share(service::Catalogs& catalogs, Request& request) {
  model::FieldReader fields(request.fields);
  const auto cid = read_cid(fields);
  const auto gid = fields.require("gid", read_gid(fields, "gid"));
  const auto permissions = read_permissions(fields);
  fields.finish();
  catalogs.share(request.caller(), cid, {gid, permissions});
  Json answer{{"cid", cid.text()}, {"gid", model::number(gid)}};
  put_permissions(answer, permissions);
  return Answer::json(answer);
}

Answer revoke(service::Catalogs& catalogs, Request& request) {
  model::FieldReader fields(request.fields);
  const auto cid = read_cid(fields);
  const auto gid = fields.require("gid", read_gid(fields, "gid"));
  fields.finish();
  catalogs.revoke(request.caller(), cid, gid);
  return Answer::json({{"cid", cid.text()}, {"gid", model::number(gid)}});
}

}  // namespace

std::vector<Route> catalogs_routes(service::Services services) {
  auto& catalogs = services.catalogs;
  return {
      {Method::put, "/c", Credential::caller, "Create a catalog for a group", "catalogmanager, in the group",
       [&catalogs](Request& request) { return create(catalogs, request); }},
      {Method::remove, "/c", Credential::caller, "Remove a catalog and its virtual machines; their disks stay", "catalogmanager",
       [&catalogs](Request& request) { return remove(catalogs, request); }},
      {Method::get, "/c", Credential::caller, "The catalogs that the caller sees; with `cid`, one", "any permission on the catalog",
       [&catalogs](Request& request) { return show(catalogs, request); }, {}, kFromMemory},
      {Method::get, "/c/share", Credential::caller, "The shares of a catalog", "manage",
       [&catalogs](Request& request) { return shares(catalogs, request); }},
      {Method::post, "/c/share", Credential::caller, "Share a catalog with a group, or alter the share", "manage, and what is shared",
       [&catalogs](Request& request) { return share(catalogs, request); }},
      {Method::remove, "/c/share", Credential::caller, "Revoke a share", "manage",
       [&catalogs](Request& request) { return revoke(catalogs, request); }},
  };
}

}  // namespace velocity::rest
