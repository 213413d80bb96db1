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
using velocity::sdk::Resource;
using velocity::sdk::Resources;
using velocity::sdk::xml::Element;

constexpr std::int64_t kMaxSizeMb = std::int64_t{64} << 20;  // 64 TiB in MiB
constexpr std::int64_t kMaxDisks = 64;
constexpr std::int64_t kMaxBoot = 999;
const std::string kDefaultPool = "default";

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
      "properties": {
        "size_mb": {"type": "integer", "minimum": 1, "title": "Size (MiB)", "description": "what the guest sees; by default as large as the source"},
        "format": {"enum": ["qcow2", "raw", "iso"], "type": "string", "title": "Format", "description": "qcow2 by default; of a full clone as its source's"},
        "pool": {"type": "string", "minLength": 1, "title": "Storage pool", "description": "where it lies; a linked clone is where its source is"},
        "source": {"type": "string", "title": "Source", "description": "the disk that this one is a clone of"},
        "linked": {"type": "boolean", "title": "Linked", "description": "keeps only what differs from the source, which must stay as it is"}
      }
    })json");
    said.schema["properties"]["size_mb"]["maximum"] = kMaxSizeMb;
    said.examples = Json::array({{{"size_mb", 10240}}, {{"size_mb", 512}, {"format", "raw"}}});
    said.capabilities = {{"kind", "storage"}, {"resources", {{"source", {{"kind", "storage"}}}}}};
    return said;
  }

  // A linked clone's spec keeps its source: it is what the disk is based on. That of a full one does not.
  Json validate(const Json& spec, const Resources& resources) const override {
    const auto source = resources.find("source");
    return source == resources.end() ? normalised(spec) : normalised(spec, source->second);
  }

  void create(const Call& call, const std::string& rid, const Json& spec, const Resources& resources) const override {
    const auto source = resources.find("source");
    if (source != resources.end()) {
      Json request{{"rid", rid}, {"source", source->second.rid}, {"linked", spec.value("linked", false)}};
      if (spec.at("size_mb") != source->second.spec.at("size_mb")) request["size_mb"] = spec.at("size_mb");
      call.service("volume.clone", request);
      return;
    }
    if (spec.at("format") == "iso") throw Invalid("/format", "must be qcow2 or raw: an iso image cannot be made empty, upload one");
    call.service("volume.create", {{"rid", rid}, {"format", spec.at("format")}, {"size_mb", spec.at("size_mb")}});
  }

  void remove(const Call& call, const std::string& rid, const Json&) const override { call.service("volume.remove", {{"rid", rid}}); }

  void alter(const Call& call, const std::string& rid, const Json& old_spec, const Json& new_spec) const override {
    auto grown = old_spec;
    grown["size_mb"] = new_spec.at("size_mb");
    if (grown != new_spec) throw Invalid("", "nothing but size_mb can be altered");
    if (old_spec.at("format") == "iso") throw Invalid("/size_mb", "cannot be altered: an iso image is as large as it is");
    if (new_spec.at("size_mb") < old_spec.at("size_mb"))
      throw Invalid("/size_mb", "must be at least " + old_spec.at("size_mb").dump() + ": an image grows and never shrinks");
    call.service("volume.grow", {{"rid", rid}, {"size_mb", new_spec.at("size_mb")}});
  }

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

 private:
  static Json normalised(Json spec) {
    Fields fields(spec);
    fields.require("size_mb", fields.integer("size_mb", 1, kMaxSizeMb));
    if (fields.boolean("linked").value_or(false)) fields.note("linked", "must be false: there is no source to be linked to");
    fields.finish();
    spec.erase("linked");
    if (!spec.contains("format")) spec["format"] = "qcow2";
    return spec;
  }

  static Json normalised(Json spec, const Resource& source) {
    if (source.type != "disk-image") throw Invalid("/source", "must be a disk image");
    Fields fields(spec);
    const auto linked = fields.boolean("linked").value_or(false);
    const auto source_format = source.spec.at("format").get<std::string>();
    Fields known(source.spec);
    const auto source_size = known.require("size_mb", known.integer("size_mb", 1, kMaxSizeMb));
    const auto format = linked ? "qcow2" : source_format;
    if (spec.value("format", format) != format)
      fields.note("format", "must be " + format + (linked ? ": a linked clone is nothing else" : ": a full clone is of its source's format"));
    if (linked && source_format == "iso") fields.note("linked", "must be false: an iso image is never written, so it can be given to many machines as it is");
    const auto size = fields.integer("size_mb", 1, kMaxSizeMb);
    if (size && *size < source_size) fields.note("size_mb", "must be at least " + std::to_string(source_size) + ", as its source has it");
    if (size && *size != source_size && format == "iso") fields.note("size_mb", "must be " + std::to_string(source_size) + ": an iso image is as large as it is");
    const auto pool = source.spec.value("pool", kDefaultPool);
    if (linked && spec.value("pool", pool) != pool) fields.note("pool", "must be that of the source: a linked clone lies beside it");
    fields.finish();
    if (linked && pool != kDefaultPool) spec["pool"] = pool;
    spec["size_mb"] = size.value_or(source_size);
    spec["format"] = format;
    if (linked) return spec;
    spec.erase("linked");
    spec.erase("source");
    return spec;
  }
};

struct DiskImagePlugin final : velocity::sdk::Plugin {
  DiskImagePlugin() { add<DiskImage>(); }
};

}  // namespace

VELOCITY_PLUGIN(DiskImagePlugin)
