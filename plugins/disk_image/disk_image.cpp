// The resource type disk-image: a file in a storage pool that a machine sees as a disk or a CD.
#include <velocity/plugin.hpp>
#include <velocity/xml.hpp>

namespace {

using velocity::sdk::AttachRequest;
using velocity::sdk::Call;
using velocity::sdk::Description;
using velocity::sdk::Fields;
using velocity::sdk::Fragment;
using velocity::sdk::Invalid;
using velocity::sdk::Json;
using velocity::sdk::xml::Element;

constexpr std::int64_t kMaxSizeMb = std::int64_t{64} << 20;  // 64 TiB in MiB
constexpr std::int64_t kMaxDisks = 64;
constexpr std::int64_t kMaxBoot = 999;

// What a machine's list may say of a disk beside its id.
struct Options {
  std::string bus;  // virtio, sata, usb, scsi
  bool readonly = false;
  bool cdrom = false;
  std::optional<std::int64_t> boot;
};

Options read_options(const Json& options, const std::string& format) {
  Fields fields(options);
  Options read;
  const bool iso = format == "iso";
  const auto bus = fields.one_of("bus", {"virtio", "sata", "usb", "scsi"});
  const auto cdrom = fields.boolean("cdrom");
  const auto readonly = fields.boolean("readonly");
  read.boot = fields.integer("boot", 1, kMaxBoot);
  read.cdrom = cdrom.value_or(iso);
  read.readonly = readonly.value_or(iso || read.cdrom);
  read.bus = bus.value_or(read.cdrom ? "sata" : "virtio");
  if (read.cdrom && bus == "virtio") fields.note("bus", "must be sata, scsi or usb: a CD drive cannot be on virtio");
  if (read.cdrom && readonly == false) fields.note("readonly", "must be true: a CD cannot be written");
  if (!read.cdrom && iso && readonly == false) fields.note("readonly", "must be true: an iso image cannot be written");
  if (!read.cdrom && read.readonly && read.bus == "sata") fields.note("readonly", "must be false on sata: a hard disk there can be written");
  fields.refuse_others();
  fields.finish();
  return read;
}

// vda … vdz, vdaa …
std::string target(const std::string& bus, std::int64_t index) {
  std::string letters;
  for (auto left = index; left >= 0; left = left / 26 - 1) letters.insert(letters.begin(), static_cast<char>('a' + left % 26));
  return (bus == "virtio" ? "vd" : "sd") + letters;
}

class DiskImage final : public velocity::sdk::ResourceType {
 public:
  Description describe() const override {
    Description said;
    said.type = "disk-image";
    said.title = "Disk image";
    said.schema = Json::parse(R"json({
      "$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object",
      "additionalProperties": false,
      "required": ["size_mb"],
      "properties": {
        "size_mb": {"type": "integer", "minimum": 1, "title": "Size (MiB)", "description": "what the guest sees"},
        "format": {"enum": ["qcow2", "raw", "iso"], "type": "string", "default": "qcow2", "title": "Format"}
      }
    })json");
    said.schema["properties"]["size_mb"]["maximum"] = kMaxSizeMb;
    said.examples = Json::array({{{"size_mb", 10240}}, {{"size_mb", 512}, {"format", "raw"}}});
    said.capabilities = {{"kind", "storage"}};
    return said;
  }

  void create(const Call& call, const std::string& rid, const Json& spec) const override {
    if (spec.at("format") == "iso") throw Invalid("/format", "must be qcow2 or raw: an iso image cannot be made empty, upload one");
    call.service("volume.create", {{"rid", rid}, {"format", spec.at("format")}, {"size_mb", spec.at("size_mb")}});
  }

  void remove(const Call& call, const std::string& rid, const Json&) const override { call.service("volume.remove", {{"rid", rid}}); }

  std::vector<Fragment> attach(const AttachRequest& request) const override {
    const auto format = request.spec.at("format").get<std::string>();
    const auto options = read_options(request.options, format);
    if (request.index < 0 || request.index >= kMaxDisks) throw Invalid("", "must be one of the first " + std::to_string(kMaxDisks) + " storage devices");
    Element disk("disk");
    disk.attribute("type", "file").attribute("device", options.cdrom ? "cdrom" : "disk");
    // Always the format: without it QEMU would guess it from bytes that the guest has written.
    auto& driver = disk.child("driver").attribute("name", "qemu").attribute("type", format == "qcow2" ? "qcow2" : "raw");
    if (!options.readonly) driver.attribute("discard", "unmap");
    disk.child("source").attribute("file", request.path);
    disk.child("backingStore");
    disk.child("target").attribute("dev", target(options.bus, request.index)).attribute("bus", options.bus);
    if (options.readonly) disk.child("readonly");
    // A place for each: without one the firmware's own order decides. Those that were given one come before those that were not.
    disk.child("boot").attribute("order", options.boot.value_or(kMaxBoot + 1 + request.index));
    return {{"devices", disk.str()}};
  }

  std::map<std::string, std::int64_t> cost(const Json& spec) const override {
    Fields fields(spec);
    const auto size = fields.require("size_mb", fields.integer("size_mb", 1, kMaxSizeMb));
    fields.finish();
    return {{"storage_mb", size}};
  }
};

struct DiskImagePlugin final : velocity::sdk::Plugin {
  DiskImagePlugin() { add<DiskImage>(); }
};

}  // namespace

VELOCITY_PLUGIN(DiskImagePlugin)
