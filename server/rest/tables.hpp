// The route tables, one function for each part of the API. Included by their own files and by the daemon, which hands all of them to the
// guard.
#pragma once

#include <functional>
#include <vector>

#include "framework/service/services.hpp"
#include "server/rest/route.hpp"

namespace velocity::rest {

// What the server tells of itself.
struct About {
  std::string version;         // the server's
  std::string api_version;     // of the HTTP contract
  std::string abi_version;     // of the plugin contract
  std::function<Json()> host;  // what plugins are told of the host; null while nothing is known of it
};

std::vector<Route> auth_routes(service::Services services);
std::vector<Route> users_routes(service::Services services);
std::vector<Route> groups_routes(service::Services services);
std::vector<Route> quota_routes(service::Services services);
std::vector<Route> catalogs_routes(service::Services services);
std::vector<Route> resource_share_routes(service::Services services);
std::vector<Route> resource_alter_routes(service::Services services);
std::vector<Route> pool_routes(service::Services services);
std::vector<Route> resources_routes(service::Services services, const About& about);
std::vector<Route> machines_routes(service::Services services, const About& about);
std::vector<Route> alterations_routes(service::Services services);
std::vector<Route> snapshots_routes(service::Services services);
std::vector<Route> clones_routes(service::Services services);
std::vector<Route> watch_routes(service::Services services);
std::vector<Route> system_routes(service::Services services, const About& about);

std::vector<Route> all_routes(service::Services services, const About& about);

}  // namespace velocity::rest
