#include "framework/service/resource_changes.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "framework/model/error.hpp"
#include "framework/service/access.hpp"
#include "framework/service/references.hpp"
#include "framework/service/resources.hpp"
#include "framework/service/volume_use.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::ResourceRight;

// After these it is not known whether the change has been made: it is done again until it is.
bool leaves_doubt(ErrorCode code) {
  return code == ErrorCode::hypervisor_timeout || code == ErrorCode::hypervisor_unavailable || code == ErrorCode::hypervisor_failed;
}

// Whether a machine runs with it, nobody knows while the hypervisor is away, and of one that runs only its QEMU may touch the image.
void require_reachable(const Picture& picture, model::ResourceId id) {
  if (picture.connected) return;
  picture.uses.visit_from({id, model::MachineId()}, [&](const Picture::Use& use, const auto&) {
    if (use.first != id) return false;
    throw Error(ErrorCode::hypervisor_unavailable,
                fmt::format("The virtual machine {} has it, and the hypervisor cannot be reached now. Nothing was changed", use.second.text()));
  });
}

model::Resource settled(const model::Resource& row, nlohmann::json spec, const plugin::ResourceType& type) {
  auto resource = row;
  resource.spec = std::move(spec);
  resource.cost = model::amounts_of(type.cost(resource.spec));
  resource.altering = nullptr;
  return resource;
}

}  // namespace

const plugin::ResourceType& ResourceChanges::type_of(const model::Resource& resource) const {
  const auto* type = registry_.find_resource_type(resource.type);
  if (!type) throw Error(ErrorCode::type_unavailable, fmt::format("The plugin of the type \"{}\" is not installed", resource.type));
  return *type;
}

nlohmann::json ResourceChanges::wanted(const Picture& picture, const Caller& caller, const plugin::ResourceType& type, const model::Resource& row,
                                       const nlohmann::json& changes) const {
  auto spec = row.spec;
  for (const auto& [field, value] : changes.items()) spec[field] = value;
  const auto references = read_references(type.info(), spec);
  auto named = references;  // by the request; what the resource has named since it was made need not be visible any more
  std::erase_if(named, [&](const auto& reference) { return !changes.contains(reference.first); });
  check_references(picture, caller, type.info(), named);
  spec = type.validate(spec, with_heads(picture, references, volumes_));
  if (spec != row.spec) require_privilege(caller, type, spec);
  return spec;
}

void ResourceChanges::alter(const Caller& caller, model::ResourceId id, const std::optional<std::string>& label, const nlohmann::json& changes) {
  const auto first = Access(*inventory_.picture(), caller).resource(id, ResourceRight::manage).pointer();
  const auto turn = turns_.take(id.uuid());
  const auto users = hold_users(turns_, *inventory_.picture(), id);
  const auto before = inventory_.picture();
  const auto row = Access(*before, caller).resource(id, ResourceRight::manage).pointer();
  if (!row->altering.is_null()) carry_out(row);
  if (!changes.empty()) {
    const auto& type = type_of(*row);
    require_reachable(*before, id);
    const auto wanted = this->wanted(*before, caller, type, *inventory_.picture()->resources.find(id), changes);
    Row journalled;
    inventory_.change([&](Change& change) {
      auto next = *Access(change.picture(), caller).resource(id, ResourceRight::manage);
      if (wanted == next.spec) return;
      require_no_overlay(change.picture(), id);
      if (label && *label != next.label) require_free_label(change.picture(), next.group, *label);  // rather now than when half is done
      next.cost = model::amounts_of(type.cost(wanted));
      next.altering = wanted;
      change.put(next);
      journalled = change.picture().resources.find(id);
    });
    if (journalled) carry_out(journalled);
  }
  if (label) rename(caller, id, *label);
}

void ResourceChanges::carry_out(const Row& row) {
  const auto& type = type_of(*row);
  const auto settle = [&](const nlohmann::json& spec) {
    inventory_.change([&](Change& change) {
      const auto now = change.picture().resources.find(row->id);
      if (now && now->phase == model::Phase::ready) change.put(settled(*now, spec, type));
    });
  };
  try {
    type.alter({{"rid", row->id.text()}, {"old", row->spec}, {"new", row->altering}});
  } catch (const Error& error) {
    if (leaves_doubt(error.code()))
      throw Error(error.code(), error.message() + ". The change is not known to be made: it is tried again, and `altering` shows it until it is", error.detail());
    settle(row->spec);
    throw;
  }
  settle(row->altering);
}

void ResourceChanges::rename(const Caller& caller, model::ResourceId id, const std::string& label) {
  inventory_.change([&](Change& change) {
    auto next = *Access(change.picture(), caller).resource(id, ResourceRight::manage);
    if (next.label == label) return;
    require_free_label(change.picture(), next.group, label);
    next.label = label;
    change.put(next);
  });
}

void ResourceChanges::finish_all() noexcept {
  try {
    std::vector<model::ResourceId> begun;
    inventory_.picture()->resources.visit_all([&](const auto& id, const auto& resource) {
      if (!resource->altering.is_null() && resource->phase == model::Phase::ready) begun.push_back(id);
    });
    for (const auto& id : begun) {
      const auto turn = turns_.take_if_free(id.uuid());
      const auto row = inventory_.picture()->resources.find(id);
      if (!turn || !row || row->altering.is_null()) continue;
      try {
        const auto users = hold_users(turns_, *inventory_.picture(), id);
        carry_out(row);
        spdlog::info("recovery: the alteration of the resource {} is finished", id.text());
      } catch (const std::exception& error) {
        spdlog::warn("recovery: the alteration of the resource {} cannot be finished: {}", id.text(), error.what());
      }
    }
  } catch (const std::exception& error) {
    spdlog::warn("recovery: alterations of resources: {}", error.what());
  }
}

}  // namespace velocity::service
