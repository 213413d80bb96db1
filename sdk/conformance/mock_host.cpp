// The services that a plugin is lent during the suite, without a hypervisor: they keep to the answers that velocity/abi.h promises.
#include <algorithm>
#include <array>

#include "framework/model/error.hpp"
#include "sdk/conformance/subject.hpp"

namespace velocity::conformance {
namespace {

constexpr std::array<std::string_view, 7> kServices{"volume.create",    "volume.clone",     "volume.grow",    "volume.remove",
                                                    "directory.create", "directory.remove", "host.interfaces"};

}  // namespace

Json MockHost::call(std::string_view, std::string_view service, const Json& request) {
  asked.emplace_back(service, request);
  if (refusing) throw model::Error(model::ErrorCode::storage_full, "The mock host has no room");
  if (std::find(kServices.begin(), kServices.end(), service) == kServices.end())
    throw model::Error(model::ErrorCode::plugin_failed, "There is no service " + std::string(service));
  if (service == "host.interfaces") return Json::parse(R"json({"interfaces": [
      {"key": "bridge br0", "name": "br0", "joint": "bridge", "mac_address": "52:54:00:00:00:01", "mtu": 1500, "up": true},
      {"key": "card eth1", "name": "eth1", "joint": "macvtap", "mac_address": "52:54:00:00:00:02", "mtu": 1500, "up": false}]})json");
  return Json::object();
}

Json emulating_host() { return {{"arch", "x86_64"}, {"acceleration", "tcg"}, {"domain_type", "qemu"}, {"privileged", true}}; }

}  // namespace velocity::conformance
