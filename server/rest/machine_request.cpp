#include "server/rest/machine_request.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "framework/model/field_reader.hpp"
#include "framework/model/mac_address.hpp"
#include "server/rest/own_fields.hpp"

namespace velocity::rest {
namespace {

using model::FieldReader;

constexpr std::int64_t kMaxCpus = 512;
constexpr std::int64_t kMaxMemoryMb = 16'777'216;
constexpr std::int64_t kMaxPixels = 16'384;
constexpr std::size_t kMaxDisplays = 16;
constexpr std::int64_t kMaxBoot = 999;
constexpr std::size_t kMaxAttachments = 64;
constexpr std::size_t kMaxDescriptionBytes = 256;

// The array's entries, each with its path; a missing array is the empty one.
template <class Read>
void for_each_entry(FieldReader& fields, const char* field, std::size_t max, Read read) {
  const auto* array = fields.array(field);
  if (!array) return;
  if (array->size() > max) {
    fields.note(field, fmt::format("must have at most {} entries", max));
    return;
  }
  for (std::size_t i = 0; i < array->size(); ++i) read((*array)[i], fmt::format("{}/{}", fields.path_of(field), i));
}

std::vector<model::Display> read_displays(FieldReader& fields) {
  std::vector<model::Display> displays;
  for_each_entry(fields, "displays", kMaxDisplays, [&](const Json& entry, const std::string& path) {
    FieldReader reader(entry, path);
    model::Display display;
    display.description = reader.text("description", kMaxDescriptionBytes).value_or("");
    display.width = static_cast<int>(reader.integer("width", 1, kMaxPixels).value_or(display.width));
    display.height = static_cast<int>(reader.integer("height", 1, kMaxPixels).value_or(display.height));
    fields.absorb(std::move(reader));
    displays.push_back(std::move(display));
  });
  return displays;
}

// What the core itself goes by, in one form; the rest is the resource type's to judge. null is the same as absent.
Json read_options(FieldReader& reader, const Json& object, const char* id_field) {
  Json options = Json::object();
  for (const auto& [key, value] : object.items())
    if (key != id_field && !value.is_null()) options[key] = value;
  for (const auto* flag : {"readonly", "cdrom"})
    if (const auto value = reader.boolean(flag)) options[flag] = *value;
  if (const auto boot = reader.integer("boot", 1, kMaxBoot)) options["boot"] = *boot;
  if (const auto text = reader.text("mac_address")) {
    if (const auto address = model::read_mac_address(*text)) options["mac_address"] = *address;
    else reader.note("mac_address", "must be an address of one station, such as 02:df:38:20:b3:f9");
  }
  return options;
}

// Each is an id, or an object that says more beside it: {"stid": …, "bus": "sata"}.
std::vector<model::Attachment> read_attachments(FieldReader& fields, const char* field, const char* id_field) {
  std::vector<model::Attachment> attachments;
  for_each_entry(fields, field, kMaxAttachments, [&](const Json& entry, const std::string& path) {
    Json object = entry;
    if (entry.is_string()) object = Json{{id_field, entry}};
    FieldReader reader(object, entry.is_string() ? "" : path);
    model::Attachment attachment;
    if (entry.is_string()) {
      const auto id = model::ResourceId::parse(entry.get_ref<const std::string&>());
      if (id) attachment.resource = *id;
      else fields.note_at(path, "must be a UUID");
    } else {
      attachment.resource = reader.require(id_field, reader.id<model::ResourceId>(id_field));
      if (entry.is_object()) attachment.options = read_options(reader, object, id_field);
      fields.absorb(std::move(reader));
    }
    attachments.push_back(std::move(attachment));
  });
  return attachments;
}

}  // namespace

model::Machine read_machine(const Json& object, const std::string& type_name, const plugin::VmType* type) {
  FieldReader fields(object);
  model::Machine machine;
  machine.type = type_name;
  machine.name = fields.require("name", fields.name("name"));
  machine.catalog = fields.require("catalog", fields.id<model::CatalogId>("catalog"));
  machine.cpu_count = static_cast<int>(fields.require("cpu_count", fields.integer("cpu_count", 1, kMaxCpus)));
  machine.memory_mb = static_cast<int>(fields.require("memory_size_mb", fields.integer("memory_size_mb", 1, kMaxMemoryMb)));
  machine.displays = read_displays(fields);
  machine.storage = read_attachments(fields, "storage_devices", "stid");
  machine.nics = read_attachments(fields, "nics", "nicid");
  machine.autostart = fields.boolean("autostart").value_or(false);
  machine.rosetta = fields.boolean("rosetta").value_or(false);
  machine.spec = own_fields(object, type,
                            {"name", "catalog", "cpu_count", "memory_size_mb", "displays", "storage_devices", "nics", "autostart",
                             "rosetta", "dry_run", "pool"});  // `pool` stands in the API's own description of the fields and means nothing
  if (type) finish_with_own(fields, *type, machine.spec);  // of a type that is not there, that is the first thing to say
  return machine;
}

service::MachineChange read_machine_change(const Json& object, const plugin::VmType* type) {
  FieldReader fields(object);
  service::MachineChange change;
  change.name = fields.name("name");
  change.catalog = fields.id<model::CatalogId>("catalog");
  const auto narrow = [](std::optional<std::int64_t> number) { return number ? std::optional(static_cast<int>(*number)) : std::nullopt; };
  change.cpu_count = narrow(fields.integer("cpu_count", 1, kMaxCpus));
  change.memory_mb = narrow(fields.integer("memory_size_mb", 1, kMaxMemoryMb));
  if (fields.has("displays")) change.displays = read_displays(fields);
  if (fields.has("storage_devices")) change.storage = read_attachments(fields, "storage_devices", "stid");
  if (fields.has("nics")) change.nics = read_attachments(fields, "nics", "nicid");
  change.autostart = fields.boolean("autostart");
  change.rosetta = fields.boolean("rosetta");
  // Beside the fields of a creation, what a machine is shown with: it may be sent back as it came.
  change.own = own_fields(object, type,
                          {"vmid", "name", "catalog", "cpu_count", "memory_size_mb", "displays", "storage_devices", "nics", "autostart", "rosetta", "dry_run",
                           "pool", "type", "plugin", "created", "state", "cause", "available", "why_not", "stale", "warnings", "changes", "domain_xml"});
  if (type)
    for (const auto& field : unknown_fields(*type, change.own)) fields.note(field, "is not a field of the virtual machine");
  fields.finish();
  return change;
}

}  // namespace velocity::rest
