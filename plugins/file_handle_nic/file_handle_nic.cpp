// The resource type file-handle-nic: the guest's Ethernet frames on a Unix socket of the host, whose other end another program holds: a
// switch in user space, passt.
#include <velocity/nic.hpp>
#include <velocity/plugin.hpp>
#include <velocity/xml.hpp>

namespace {

using velocity::sdk::AttachRequest;
using velocity::sdk::Call;
using velocity::sdk::Description;
using velocity::sdk::Fragment;
using velocity::sdk::Json;
using velocity::sdk::xml::Element;

class FileHandleNic final : public velocity::sdk::ResourceType {
 public:
  Description describe() const override {
    Description said;
    said.type = "file-handle-nic";
    said.title = "NIC on a socket of the host";
    said.schema = Json::parse(R"json({
      "$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "mode": {"type": "string", "enum": ["dgram", "stream"], "default": "dgram", "title": "Kind of socket",
                 "description": "dgram: a frame is a datagram; stream: each frame after its length, four bytes, big-endian"}
      }
    })json");
    said.examples = Json::parse(R"json([{}, {"mode": "stream"}])json");
    said.capabilities = {{"kind", "nic"}, {"exclusive", true}};  // a socket has one guest behind it
    return said;
  }

  void create(const Call& call, const std::string& rid, const Json&) const override { call.service("directory.create", {{"rid", rid}}); }

  void remove(const Call& call, const std::string& rid, const Json&) const override { call.service("directory.remove", {{"rid", rid}}); }

  // The names are those that the server gives the two ends of a socketInterface.
  Json inspect(const std::string&, const Json& spec, const std::string& directory) const override {
    Json facts{{"socket", directory + "/guest"}};
    if (spec.value("mode", "") != "stream") facts["peer_socket"] = directory + "/peer";
    return facts;
  }

  std::vector<Fragment> attach(const AttachRequest& request) const override {
    const auto options = velocity::sdk::read_nic_options(request.options);
    Element element("socketInterface");
    element.attribute("mode", request.spec.at("mode").get<std::string>())
        .attribute("directory", request.directory)
        .attribute("mac", options.mac_address)
        .attribute("model", options.model);
    if (options.boot) element.attribute("boot", *options.boot);
    return {{"extensions", element.str()}};
  }
};

struct FileHandleNicPlugin final : velocity::sdk::Plugin {
  FileHandleNicPlugin() { add<FileHandleNic>(); }
};

}  // namespace

VELOCITY_PLUGIN(FileHandleNicPlugin)
