// The resource type user-nic: a network of the guest's own behind user-space NAT (QEMU's), with DHCP, and ports of the host that lead into
// the guest. It needs no privilege.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <velocity/nic.hpp>
#include <velocity/plugin.hpp>
#include <velocity/xml.hpp>

#include <set>
#include <tuple>

namespace {

using velocity::sdk::AttachRequest;
using velocity::sdk::Description;
using velocity::sdk::Fields;
using velocity::sdk::Fragment;
using velocity::sdk::Invalid;
using velocity::sdk::Json;
using velocity::sdk::Problem;
using velocity::sdk::xml::Element;

// In the one way to write it, so that what means the same is the same; empty for what is none. QEMU forwards from IPv4 addresses alone.
std::string canonical(const std::string& address) {
  in_addr read{};
  char text[INET_ADDRSTRLEN] = {};
  if (inet_pton(AF_INET, address.c_str(), &read) != 1) return {};
  return inet_ntop(AF_INET, &read, text, sizeof text);
}

class UserNic final : public velocity::sdk::ResourceType {
 public:
  Description describe() const override {
    Description said;
    said.type = "user-nic";
    said.title = "NIC with user-space NAT";
    said.schema = Json::parse(R"json({
      "$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "forwards": {
          "type": "array", "maxItems": 32, "default": [], "title": "Forwarded ports",
          "description": "ports of the host that lead to ports of the guest",
          "items": {
            "type": "object", "additionalProperties": false, "required": ["host_port", "guest_port"],
            "properties": {
              "host_port": {"type": "integer", "minimum": 1, "maximum": 65535, "title": "Port on the host"},
              "guest_port": {"type": "integer", "minimum": 1, "maximum": 65535, "title": "Port in the guest"},
              "protocol": {"type": "string", "enum": ["tcp", "udp"], "default": "tcp", "title": "Protocol"},
              "host_address": {"type": "string", "maxLength": 15, "default": "127.0.0.1", "title": "Address on the host",
                               "description": "which of the host's IPv4 addresses is listened on; 0.0.0.0 for all"}
            }
          }
        }
      }
    })json");
    said.examples = Json::parse(R"json([{}, {"forwards": [{"host_port": 2222, "guest_port": 22}]}])json");
    // What is not like this opens a port to other hosts, or one that programs of the host's own use.
    said.capabilities = Json::parse(R"json({
      "kind": "nic",
      "unprivileged": {
        "type": "object",
        "properties": {"forwards": {"type": "array", "items": {"type": "object", "properties": {
          "host_address": {"type": "string", "enum": ["127.0.0.1"]}, "host_port": {"type": "integer", "minimum": 1024}}}}}
      }
    })json");
    return said;
  }

  Json validate(const Json& spec) const override {
    auto normal = spec;
    std::vector<Problem> problems;
    std::set<std::tuple<std::string, std::string, std::int64_t>> taken;
    auto& forwards = normal["forwards"];
    for (std::size_t i = 0; i < forwards.size(); ++i) {
      auto& forward = forwards[i];
      const auto where = "/forwards/" + std::to_string(i);
      const auto address = canonical(forward.at("host_address").get<std::string>());
      if (address.empty()) problems.push_back({where + "/host_address", "must be an IPv4 address, such as 127.0.0.1"});
      forward["host_address"] = address;
      Fields fields(forward);
      const auto port = fields.integer("host_port", 1, 65535).value_or(0);
      if (!taken.emplace(forward.at("protocol").get<std::string>(), address, port).second)
        problems.push_back({where + "/host_port", "is forwarded already"});
    }
    if (!problems.empty()) throw Invalid(std::move(problems));
    return normal;
  }

  std::vector<Fragment> attach(const AttachRequest& request) const override {
    const auto options = velocity::sdk::read_nic_options(request.options);
    const auto forwards = request.spec.value("forwards", Json::array());
    // libvirt 9 has no word for forwarded ports of QEMU's own NAT.
    if (forwards.empty()) return {{"devices", velocity::sdk::interface_element("user", options).str()}};
    Element element("userInterface");
    element.attribute("mac", options.mac_address).attribute("model", options.model);
    if (options.boot) element.attribute("boot", *options.boot);
    for (const auto& forward : forwards) {
      Fields fields(forward);
      element.child("forward")
          .attribute("protocol", fields.text("protocol").value_or("tcp"))
          .attribute("address", fields.text("host_address").value_or("127.0.0.1"))
          .attribute("port", fields.integer("host_port", 1, 65535).value_or(0))
          .attribute("guestPort", fields.integer("guest_port", 1, 65535).value_or(0));
    }
    return {{"extensions", element.str()}};
  }
};

struct UserNicPlugin final : velocity::sdk::Plugin {
  UserNicPlugin() { add<UserNic>(); }
};

}  // namespace

VELOCITY_PLUGIN(UserNicPlugin)
