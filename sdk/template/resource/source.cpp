// The resource type @name@: what PUT /r/@name@ makes. A disk without a history: made empty, of the size that is asked for.
#include <velocity/plugin.hpp>
#include <velocity/xml.hpp>

namespace {

using namespace velocity::sdk;

class @Class@ final : public ResourceType {
 public:
  // What clients are told of the type. From the schema come the fields of the REST route, its documentation and the web form.
  Description describe() const override {
    Description said;
    said.type = "@name@";
    said.title = "@Class@";
    said.schema = Json::parse(R"json({
      "type": "object",
      "additionalProperties": false,
      "required": ["size_mb"],
      "properties": {"size_mb": {"type": "integer", "minimum": 1, "maximum": 1048576, "title": "Size in MiB"}}
    })json");
    said.examples = Json::parse(R"json([{"size_mb": 64}])json");
    said.capabilities = {{"kind", "storage"}};
    return said;
  }

  // What the schema cannot say. The spec that is returned is the one that is stored; all its problems are told at once.
  Json validate(const Json& spec) const override {
    Fields fields(spec);
    fields.require("size_mb", fields.integer("size_mb", 1, 1048576));
    fields.finish();
    return spec;
  }

  // Files are the server's: ask for them. Both may be called again after a crash.
  void create(const Call& call, const std::string& rid, const Json& spec) const override {
    call.service("volume.create", {{"rid", rid}, {"format", "raw"}, {"size_mb", spec.at("size_mb")}});
  }
  void remove(const Call& call, const std::string& rid, const Json&) const override { call.service("volume.remove", {{"rid", rid}}); }

  // The device that a machine gets, as libvirt's domain XML. The same request always has the same answer.
  std::vector<Fragment> attach(const AttachRequest& request) const override {
    xml::Element disk("disk");
    disk.attribute("type", "file").attribute("device", "disk");
    disk.child("driver").attribute("name", "qemu").attribute("type", "raw");
    disk.child("source").attribute("file", request.path);
    disk.child("backingStore");
    disk.child("target").attribute("dev", "vd" + std::string(1, static_cast<char>('a' + request.index % 26))).attribute("bus", "virtio");
    return {{"devices", disk.str()}};
  }

  // What counts against the quota of its group.
  std::map<std::string, std::int64_t> cost(const Json& spec) const override {
    Fields fields(spec);
    const auto size = fields.require("size_mb", fields.integer("size_mb", 1, 1048576));
    fields.finish();
    return {{"storage_mb", size}};
  }
};

struct @Class@Plugin final : Plugin {
  @Class@Plugin() { add<@Class@>(); }
};

}  // namespace

VELOCITY_PLUGIN(@Class@Plugin)
