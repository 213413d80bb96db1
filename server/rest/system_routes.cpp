// What the server tells of itself: /version, /healthz, /readyz, /plugins. And all tables together.
#include <iterator>

#include "server/rest/tables.hpp"

namespace velocity::rest {
namespace {

constexpr int kUnavailable = 503;

Answer version(const plugin::Registry& registry, const About& about) {
  Json plugins = Json::array();
  for (const auto& report : registry.plugins())
    if (report.status == "loaded") plugins.push_back({{"name", report.name}, {"version", report.version}});
  return Answer::json({{"server", about.version}, {"api", about.api_version}, {"abi", about.abi_version}, {"plugins", std::move(plugins)}});
}

Answer welcome(const About& about) {
  return Answer::json({{"name", "Velocity"},
                       {"what", "a server for virtual machines whose types are plugins"},
                       {"server", about.version},
                       {"sign_in", "POST /u/auth with `username` and `password`, then send the authkey with each request"},
                       {"documentation", "docs/users.md in the sources; GET /v/types and GET /r/types describe the types"}});
}

// The database is open and read, or there would be no one to answer; what comes and goes is the hypervisor.
Answer readiness(const service::Inventory& inventory, const plugin::Registry& registry) {
  std::size_t loaded = 0;
  std::size_t refused = 0;
  for (const auto& report : registry.plugins()) ++(report.status == "loaded" ? loaded : refused);
  const bool ready = !inventory.stale();
  auto answer = Answer::json(
      {{"ready", ready}, {"database", true}, {"hypervisor", ready}, {"plugins", {{"loaded", loaded}, {"not_loaded", refused}}}},
      ready ? 200 : kUnavailable);
  if (!ready) answer.headers.emplace_back(kRetryAfterHeader, "2");
  return answer;
}

// Cause and fix name files and directories of the host: they are for who runs it.
Answer plugins(const plugin::Registry& registry, const service::Caller& caller) {
  Json list = Json::array();
  for (const auto& report : registry.plugins()) {
    Json entry{{"file", report.file.filename().string()},
               {"name", report.name},
               {"version", report.version},
               {"licence", report.licence},
               {"status", report.status},
               {"provides", report.provides}};
    if (!report.code.empty()) entry["code"] = report.code;
    if (!report.code.empty() && caller.is_root()) entry.update({{"cause", report.cause}, {"fix", report.fix}});
    list.push_back(std::move(entry));
  }
  return Answer::json({{"plugins", std::move(list)}});
}

}  // namespace

std::vector<Route> system_routes(service::Services services, const About& about) {
  const auto& registry = services.registry;
  const auto& inventory = services.inventory;
  return {
      {Method::get, "/", Credential::none, "What this is, and where it is documented", "everybody", [about](Request&) { return welcome(about); }},
      {Method::get, "/version", Credential::none, "The versions of server, API, plugin contract and plugins", "everybody",
       [&registry, about](Request&) { return version(registry, about); }, {}, kFromMemory},
      {Method::get, "/healthz", Credential::none, "Whether the server is alive", "everybody",
       [](Request&) {
         return Answer::json({{"status", "ok"}});
       }, {}, kFromMemory},
      {Method::get, "/readyz", Credential::none, "Whether the server can do its work: 503 while the hypervisor is away", "everybody",
       [&inventory, &registry](Request&) { return readiness(inventory, registry); }, {}, kFromMemory},
      {Method::get, "/plugins", Credential::caller, "The plugin files that were found, and what became of each; to members of root also why, and what to do", "",
       [&registry](Request& request) { return plugins(registry, request.caller()); }},
  };
}

std::vector<Route> all_routes(service::Services services, const About& about) {
  std::vector<Route> routes;
  for (auto* table : {auth_routes, users_routes, groups_routes, quota_routes, catalogs_routes, resource_share_routes, resource_alter_routes, pool_routes,
                      alterations_routes, snapshots_routes, clones_routes, watch_routes}) {
    auto part = table(services);
    std::move(part.begin(), part.end(), std::back_inserter(routes));
  }
  for (auto* table : {resources_routes, machines_routes, system_routes}) {
    auto part = table(services, about);
    std::move(part.begin(), part.end(), std::back_inserter(routes));
  }
  return routes;
}

}  // namespace velocity::rest
