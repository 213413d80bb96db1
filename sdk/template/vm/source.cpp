// The VM type @name@: what PUT /v/@name@ makes. A PC with SeaBIOS that boots the first of its disks that it can.
#include <velocity/pc.hpp>

namespace {

using namespace velocity::sdk;

class @Class@ final : public VmType {
 public:
  // What clients are told of the type. From the schema come the fields of the REST route, its documentation and the web form.
  Description describe() const override {
    Description said;
    said.type = "@name@";
    said.title = "@Class@ machine";
    said.schema = Json::parse(R"json({
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "firmware_messages": {"type": "boolean", "default": true, "title": "Messages of the firmware",
                              "description": "whether they appear on the serial port"}
      }
    })json");
    said.examples = Json::parse(R"json([{}, {"firmware_messages": true}])json");
    return said;
  }

  // Whether machines of the type can be had on this host.
  Availability host_check(const Host& host) const override { return pc::needs_x86_64(host); }

  // What the schema cannot say. The spec that is returned is the one that is stored; all its problems are told at once.
  Json validate(const Json& spec) const override {
    Fields fields(spec);
    fields.boolean("firmware_messages");
    fields.finish();
    return spec;
  }

  // The machine as pieces of libvirt's domain XML. The same request always has the same answer. The server adds name, memory, processors,
  // disks, NICs, serial port and screen.
  std::vector<Fragment> plan(const PlanRequest& request) const override {
    auto os = pc::os(request.host);
    if (request.spec.value("firmware_messages", true)) os.child("bios").attribute("useserial", "yes");
    std::vector<Fragment> fragments{{"os", os.str()}, {"features", pc::features().str()}, pc::clock()};
    if (pc::is_pretended(request.host)) return fragments;
    fragments.push_back(pc::cpu(request.host));
    pc::append(fragments, pc::controllers());
    pc::append(fragments, pc::screen(request.displays));
    return fragments;
  }
};

struct @Class@Plugin final : Plugin {
  @Class@Plugin() { add<@Class@>(); }
};

}  // namespace

VELOCITY_PLUGIN(@Class@Plugin)
