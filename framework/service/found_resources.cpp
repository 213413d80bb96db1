#include "framework/service/found_resources.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <ctime>
#include <map>

#include "framework/model/error.hpp"
#include "framework/service/blueprint.hpp"

namespace velocity::service {
namespace {

using Row = std::shared_ptr<const model::Resource>;

constexpr const char* kPresent = "present";  // the field of a found resource's spec that is ours

// The rows of one type by what the host calls them.
std::map<std::string, Row> rows_of(const Picture& picture, const std::string& type) {
  std::map<std::string, Row> rows;
  picture.resources.visit_all([&](const auto&, const auto& resource) {
    if (resource->type == type && !resource->found.empty() && resource->phase == model::Phase::ready) rows[resource->found] = resource;
  });
  return rows;
}

std::string free_label(const Picture& picture, const std::string& wanted) {
  auto label = wanted;
  for (int number = 2; picture.resource_labels.find({model::kRootGroup, label}); ++number) label = fmt::format("{} ({})", wanted, number);
  return label;
}

// What the rows must become. One at a time is put, since labels must be free in what was put before.
void reconcile(Change& change, const plugin::ResourceType& type, const std::vector<plugin::FoundItem>& items) {
  auto rows = rows_of(change.picture(), type.info().type);
  for (const auto& item : items) {
    auto spec = item.spec;
    spec[kPresent] = true;
    const auto known = rows.find(item.id);
    if (known != rows.end()) {
      auto row = *known->second;
      rows.erase(known);
      if (row.spec == spec) continue;
      row.spec = std::move(spec);
      change.put(row);
      continue;
    }
    model::Resource row;
    row.id = model::ResourceId::random();
    row.kind = type.kind();
    row.type = type.info().type;
    row.label = free_label(change.picture(), item.label);
    row.group = model::kRootGroup;
    row.spec = std::move(spec);
    row.created = static_cast<std::int64_t>(std::time(nullptr));
    row.found = item.id;
    change.put(row);
    spdlog::info("found: {} \"{}\", {}", row.type, row.label, row.id.text());
  }
  for (const auto& [id, gone] : rows) {
    if (is_absent(*gone)) continue;
    auto row = *gone;
    row.spec[kPresent] = false;
    change.put(row);
    spdlog::info("gone: {} \"{}\", {}", row.type, row.label, row.id.text());
  }
}

// Whether there is anything to do: a change that changes nothing costs a commit all the same.
bool differs(const Picture& picture, const std::string& type, const std::vector<plugin::FoundItem>& items) {
  const auto rows = rows_of(picture, type);
  std::size_t present = 0;
  for (const auto& [id, row] : rows)
    if (!is_absent(*row)) ++present;
  if (present != items.size()) return true;
  for (const auto& item : items) {
    const auto known = rows.find(item.id);
    auto spec = item.spec;
    spec[kPresent] = true;
    if (known == rows.end() || known->second->spec != spec) return true;
  }
  return false;
}

}  // namespace

bool is_found(const plugin::TypeInfo& type) {
  const auto found = type.capabilities.find("found");
  return found != type.capabilities.end() && *found == true;
}

bool is_absent(const model::Resource& resource) {
  if (resource.found.empty() || !resource.spec.is_object()) return false;
  const auto present = resource.spec.find(kPresent);
  return present != resource.spec.end() && *present == false;
}

std::optional<std::string> host_interface(const model::Resource& resource) {
  if (resource.found.empty() || !resource.spec.is_object()) return std::nullopt;
  const auto name = resource.spec.find("interface");
  return name != resource.spec.end() && name->is_string() ? std::optional(name->get<std::string>()) : std::nullopt;
}

FoundResources::FoundResources(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host)
    : inventory_(inventory), registry_(registry), host_(host) {}

void FoundResources::refresh() {
  const std::lock_guard lock(mutex_);
  if (!host_.connected()) return;
  for (const auto* type : registry_.resource_types()) {
    if (!is_found(type->info())) continue;
    try {
      refresh(*type);
    } catch (const model::Error& error) {
      spdlog::warn("looking for what the host has of the type {} failed: {} {}", type->info().type, error.what(), error.detail());
    } catch (const std::exception& error) {  // nobody waits for this on the threads that call it
      spdlog::warn("looking for what the host has of the type {} failed: {}", type->info().type, error.what());
    }
  }
}

void FoundResources::refresh(const plugin::ResourceType& type) {
  std::vector<plugin::FoundItem> items;  // a type that does not work here finds nothing
  if (availability(type, host_).available) items = type.enumerate(host_document(host_.facts()));
  if (differs(*inventory_.picture(), type.info().type, items)) inventory_.change([&](Change& change) { reconcile(change, type, items); });
}

}  // namespace velocity::service
