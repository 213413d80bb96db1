#include "framework/service/machine_document.hpp"

#include <algorithm>
#include <limits>

#include "framework/model/error.hpp"
#include "framework/model/field_reader.hpp"

namespace velocity::service {
namespace {

using model::FieldReader;
using model::Json;

constexpr std::int64_t kMost = std::numeric_limits<int>::max();

Json attachments(const std::vector<model::Attachment>& list) {
  auto entries = Json::array();
  for (const auto& attachment : list) entries.push_back({{"rid", attachment.resource.text()}, {"options", attachment.options}});
  return entries;
}

int small_number(FieldReader& fields, const char* field) { return static_cast<int>(fields.require(field, fields.integer(field, 1, kMost))); }

template <class Read>
void each_of(FieldReader& fields, const char* field, Read read) {
  const auto* entries = fields.array(field);
  if (!entries) {
    if (!fields.has(field)) fields.note(field, "is missing");
    return;
  }
  for (const auto& entry : *entries) {
    FieldReader reader(entry, fields.path_of(field));
    read(reader, entry);
    fields.absorb(std::move(reader));
  }
}

std::vector<model::Attachment> read_attachments(FieldReader& fields, const char* field) {
  std::vector<model::Attachment> list;
  each_of(fields, field, [&](FieldReader& reader, const Json& entry) {
    const auto resource = reader.require("rid", reader.id<model::ResourceId>("rid"));
    list.push_back({resource, entry.value("options", Json::object())});
  });
  return list;
}

// The document is ours: what is wrong with it is damage.
template <class Read>
void read_own(const Json& document, Read read) {
  try {
    FieldReader fields(document);
    read(fields);
    fields.finish();
  } catch (const std::exception& error) {
    throw model::Error(model::ErrorCode::storage_failed, "What the database keeps of a machine cannot be read", error.what());
  }
}

void add_missing(std::vector<model::Attachment>& list, const std::vector<model::Attachment>& more) {
  for (const auto& attachment : more)
    if (std::none_of(list.begin(), list.end(), [&](const auto& entry) { return entry.resource == attachment.resource; })) list.push_back(attachment);
}

void read_make(FieldReader& fields, const Json& document, model::Machine& machine) {
  machine.cpu_count = small_number(fields, "cpu_count");
  machine.memory_mb = small_number(fields, "memory_mb");
  machine.displays.clear();
  each_of(fields, "displays", [&](FieldReader& reader, const Json&) {
    machine.displays.push_back({reader.require("description", reader.text("description")), small_number(reader, "width"), small_number(reader, "height")});
  });
  machine.storage = read_attachments(fields, "storage");
  machine.nics = read_attachments(fields, "nics");
  machine.parts.clear();
  each_of(fields, "parts", [&](FieldReader& reader, const Json&) {
    machine.parts[reader.require("field", reader.text("field"))] = reader.require("rid", reader.id<model::ResourceId>("rid"));
  });
  machine.rosetta = fields.require("rosetta", fields.boolean("rosetta"));
  machine.spec = document.at("spec");
}

}  // namespace

Json document_of(const model::Machine& machine) {
  auto displays = Json::array();
  for (const auto& d : machine.displays) displays.push_back({{"description", d.description}, {"width", d.width}, {"height", d.height}});
  auto parts = Json::array();
  for (const auto& [field, resource] : machine.parts) parts.push_back({{"field", field}, {"rid", resource.text()}});
  return {{"name", machine.name},
          {"catalog", machine.catalog.text()},
          {"cpu_count", machine.cpu_count},
          {"memory_mb", machine.memory_mb},
          {"displays", std::move(displays)},
          {"storage", attachments(machine.storage)},
          {"nics", attachments(machine.nics)},
          {"parts", std::move(parts)},
          {"autostart", machine.autostart},
          {"rosetta", machine.rosetta},
          {"spec", machine.spec}};
}

model::Machine between(const model::Machine& old, const model::Machine& wanted) {
  model::Machine row = old;
  row.name = wanted.name;
  row.catalog = wanted.catalog;
  row.cpu_count = std::max(old.cpu_count, wanted.cpu_count);
  row.memory_mb = std::max(old.memory_mb, wanted.memory_mb);
  row.parts = wanted.parts;
  add_missing(row.storage, wanted.storage);
  add_missing(row.nics, wanted.nics);
  return row;
}

void restore_make(model::Machine& machine, const Json& document) {
  read_own(document, [&](FieldReader& fields) { read_make(fields, document, machine); });
}

void restore_all(model::Machine& machine, const Json& document) {
  read_own(document, [&](FieldReader& fields) {
    read_make(fields, document, machine);
    machine.name = fields.require("name", fields.text("name"));
    machine.catalog = fields.require("catalog", fields.id<model::CatalogId>("catalog"));
    machine.autostart = fields.require("autostart", fields.boolean("autostart"));
  });
}

}  // namespace velocity::service
