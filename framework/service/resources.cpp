#include "framework/service/resources.hpp"

#include <fmt/format.h>

#include <ctime>

#include "framework/service/access.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/removal.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

ResourceView view(const Picture& picture, std::shared_ptr<const model::Resource> resource) {
  ResourceView result{std::move(resource), {}};
  picture.uses.visit_from({result.resource->id, model::MachineId()}, [&](const Picture::Use& use, const auto&) {
    if (use.first != result.resource->id) return false;
    result.machines.push_back(use.second);
    return true;
  });
  return result;
}

}  // namespace

void require_free_label(const Picture& picture, model::Gid group, const std::string& label, model::UploadId own) {
  bool taken = picture.resource_labels.find({group, label}) != nullptr;
  picture.uploads.visit_all([&](const auto& id, const auto& upload) {
    if (upload->group == group && upload->label == label && id != own) taken = true;
  });
  if (taken) throw Error(ErrorCode::resource_label_taken, fmt::format("The group has a resource \"{}\" already, or one on its way in", label));
}

Resources::Resources(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host, Removal& removal, Turns& turns)
    : inventory_(inventory), registry_(registry), host_(host), removal_(removal), turns_(turns) {}

std::shared_ptr<const model::Resource> Resources::create(const Caller& caller, const std::string& type_name, model::Gid group, const std::string& label,
                                                         const nlohmann::json& spec) {
  const auto* type = registry_.find_resource_type(type_name);
  if (!type) throw Error(ErrorCode::type_not_found, fmt::format("No plugin brings the resource type \"{}\"", type_name));
  Access(*inventory_.picture(), caller).own_group(group);
  if (const auto verdict = availability(*type, host_); !verdict.available) throw Error(ErrorCode::type_unavailable, verdict.why_not);

  model::Resource resource{model::ResourceId::random(), type->kind(), type_name, label, group, type->validate(spec),
                           static_cast<std::int64_t>(std::time(nullptr)), model::Phase::creating};
  const auto turn = turns_.take(resource.id.uuid());
  inventory_.change([&](Change& change) {
    Access(change.picture(), caller).own_group(group);
    require_free_label(change.picture(), group, label);
    change.put(resource);
  });
  try {
    type->create({{"rid", resource.id.text()}, {"spec", resource.spec}});
    resource.phase = model::Phase::ready;
    inventory_.change([&](Change& change) {
      // Its group may have been removed meanwhile, and this resource been marked with it.
      const auto row = change.picture().resources.find(resource.id);
      if (!row || row->phase != model::Phase::creating)
        throw Error(ErrorCode::group_not_found, fmt::format("You are in no group {}", model::number(group)));
      change.put(resource);
    });
  } catch (...) {
    removal_.undo(resource);
    throw;
  }
  return inventory_.picture()->resources.find(resource.id);
}

std::vector<ResourceView> Resources::list(const Caller& caller, const ResourceFilter& filter) const {
  const auto picture = inventory_.picture();
  const Access access(*picture, caller);
  std::vector<ResourceView> views;
  picture->resources.visit_all([&](const auto&, const auto& resource) {
    if (!access.sees(*resource)) return;
    if (filter.kind && resource->kind != *filter.kind) return;
    if (filter.type && resource->type != *filter.type) return;
    if (filter.group && resource->group != *filter.group) return;
    views.push_back(view(*picture, resource));
  });
  return views;
}

ResourceView Resources::get(const Caller& caller, model::ResourceId id) const {
  const auto picture = inventory_.picture();
  return view(*picture, Access(*picture, caller).resource(id).pointer());
}

void Resources::remove(const Caller& caller, model::ResourceId id) {
  Doomed doomed;
  inventory_.change([&](Change& change) { doomed = removal_.mark(change, Access(change.picture(), caller).resource(id)); });
  removal_.carry_out(doomed);
}

}  // namespace velocity::service
