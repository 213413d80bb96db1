// The resource type bridged-nic: an interface of the host that guests are bridged to, found by itself: by a tap on a bridge, or by a macvtap
// on a physical interface or a bond.
#include <velocity/nic.hpp>
#include <velocity/plugin.hpp>

namespace {

using velocity::sdk::AttachRequest;
using velocity::sdk::Availability;
using velocity::sdk::Call;
using velocity::sdk::Description;
using velocity::sdk::Found;
using velocity::sdk::Fragment;
using velocity::sdk::Host;
using velocity::sdk::Json;

class BridgedNic final : public velocity::sdk::ResourceType {
 public:
  Description describe() const override {
    Description said;
    said.type = "bridged-nic";
    said.title = "NIC bridged to an interface of the host";
    said.schema = Json::parse(R"json({
      "$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object",
      "additionalProperties": false,
      "required": ["interface", "joint"],
      "properties": {
        "interface": {"type": "string", "minLength": 1, "maxLength": 15, "title": "Interface", "description": "its name on the host now"},
        "joint": {"type": "string", "enum": ["bridge", "macvtap"], "title": "How a guest is joined to it"},
        "mac_address": {"type": "string", "maxLength": 17, "title": "The interface's own address"},
        "mtu": {"type": "integer", "minimum": 0, "title": "MTU"},
        "up": {"type": "boolean", "title": "Whether it is switched on"},
        "present": {"type": "boolean", "default": true, "title": "Whether the host has it now"}
      }
    })json");
    said.examples = Json::parse(R"json([{"interface": "br0", "joint": "bridge"}])json");
    said.capabilities = {{"kind", "nic"}, {"found", true}};
    return said;
  }

  Availability host_check(const Host& host) const override {
    if (!host.privileged) return {false, "Bridged NICs need taps, which only a server that runs as root can make"};
    return {};
  }

  std::vector<Found> enumerate(const Call& call, const Host&) const override {
    std::vector<Found> items;
    const auto reply = call.service("host.interfaces", Json::object());  // named: a loop keeps no temporary's owner alive
    for (const auto& interface : reply.at("interfaces"))
      items.push_back({interface.at("key").get<std::string>(),
                       interface.at("name").get<std::string>(),
                       {{"interface", interface.at("name")},
                        {"joint", interface.at("joint")},
                        {"mac_address", interface.at("mac_address")},
                        {"mtu", interface.at("mtu")},
                        {"up", interface.at("up")}}});
    return items;
  }

  std::vector<Fragment> attach(const AttachRequest& request) const override {
    const auto options = velocity::sdk::read_nic_options(request.options);
    const auto name = request.spec.at("interface").get<std::string>();
    const bool bridge = request.spec.at("joint") == "bridge";
    auto element = velocity::sdk::interface_element(bridge ? "bridge" : "direct", options);
    auto& source = element.child("source").attribute(bridge ? "bridge" : "dev", name);
    if (!bridge) source.attribute("mode", "bridge");
    return {{"devices", element.str()}};
  }
};

struct BridgedNicPlugin final : velocity::sdk::Plugin {
  BridgedNicPlugin() { add<BridgedNic>(); }
};

}  // namespace

VELOCITY_PLUGIN(BridgedNicPlugin)
