#include "framework/service/resources.hpp"

#include <fmt/format.h>

#include <ctime>

#include "framework/model/names.hpp"
#include "framework/service/access.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/found_resources.hpp"
#include "framework/service/pools.hpp"
#include "framework/service/references.hpp"
#include "framework/service/removal.hpp"
#include "framework/service/replies.hpp"
#include "framework/service/volume_use.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

// What the normalised spec of a disk still names: that is what the disk is based on, for as long as it lives.
std::optional<model::ResourceId> base_of(const model::Resource& resource, const References& references) {
  if (resource.kind != model::ResourceKind::storage) return std::nullopt;
  for (const auto& [field, id] : references)
    if (resource.spec.contains(field)) return id;
  return std::nullopt;
}

Error not_made(const std::string& sentence) { return Error(ErrorCode::resource_found, sentence); }

// With those of its machines that the caller sees: who is lent a disk is not told of the others' machines.
ResourceView view(const Picture& picture, const Access& access, std::shared_ptr<const model::Resource> resource) {
  ResourceView result{std::move(resource), {}, nlohmann::json::object()};
  picture.uses.visit_from({result.resource->id, model::MachineId()}, [&](const Picture::Use& use, const auto&) {
    if (use.first != result.resource->id) return false;
    if (access.sees(use.second)) result.machines.push_back(use.second);
    return true;
  });
  return result;
}

}  // namespace

void Resources::check(const Picture& picture, const Caller& caller, const Prepared& prepared) {
  const auto& resource = prepared.resource;
  Access(picture, caller).own_group(resource.group);
  check_references(picture, caller, prepared.type->info(), prepared.references);
  require_pool(picture, resource.pool);
  if (resource.kind == model::ResourceKind::storage)
    for (const auto& [field, id] : prepared.references) require_clonable(picture, id, resource.base == id);
  require_free_label(picture, resource.group, resource.label);
}

void require_free_label(const Picture& picture, model::Gid group, const std::string& label, model::UploadId own) {
  bool taken = picture.resource_labels.find({group, label}) != nullptr;
  picture.uploads.visit_all([&](const auto& id, const auto& upload) {
    if (upload->group == group && upload->label == label && id != own) taken = true;
  });
  if (taken) throw Error(ErrorCode::resource_label_taken, fmt::format("The group has a resource \"{}\" already, or one on its way in", label));
}

Resources::Resources(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host, const Blueprint& blueprint, const storage::Volumes& volumes,
                     Removal& removal, Turns& turns)
    : inventory_(inventory), registry_(registry), host_(host), blueprint_(blueprint), volumes_(volumes), removal_(removal), turns_(turns) {}

Resources::Prepared Resources::prepare(const Caller& caller, const std::string& type_name, model::Gid group, const std::string& label,
                                       nlohmann::json spec) const {
  const auto* type = registry_.find_resource_type(type_name);
  if (!type) throw Error(ErrorCode::type_not_found, fmt::format("No plugin brings the resource type \"{}\"", type_name));
  const auto before = inventory_.picture();
  Access(*before, caller).own_group(group);
  auto references = read_references(type->info(), spec);
  check_references(*before, caller, type->info(), references);
  if (is_found(type->info())) throw not_made(fmt::format("Resources of the type \"{}\" are found on the host, not made", type_name));
  if (const auto verdict = availability(*type, host_); !verdict.available) throw Error(ErrorCode::type_unavailable, verdict.why_not);
  model::Resource resource;
  resource.id = model::ResourceId::random();
  resource.kind = type->kind();
  resource.type = type_name;
  resource.label = label;
  resource.group = group;
  resource.spec = type->validate(spec, with_heads(*before, references, volumes_));
  require_privilege(caller, *type, resource.spec);
  resource.cost = model::amounts_of(type->cost(resource.spec));
  resource.base = base_of(resource, references);
  if (resource.kind == model::ResourceKind::storage) resource.pool = resource.spec.value("pool", model::kDefaultPool);
  resource.created = static_cast<std::int64_t>(std::time(nullptr));
  resource.phase = model::Phase::creating;
  auto documents = with_paths(*before, references, volumes_);
  return {type, std::move(resource), std::move(references), std::move(documents)};
}

std::shared_ptr<const model::Resource> Resources::create(const Caller& caller, const std::string& type_name, model::Gid group, const std::string& label,
                                                         nlohmann::json spec, const std::optional<PartOf>& part) {
  auto prepared = prepare(caller, type_name, group, label, std::move(spec));
  auto& resource = prepared.resource;
  if (part) resource.id = part->id;
  const auto turn = turns_.take(resource.id.uuid());
  std::vector<Turns::Turn> users;  // of what is copied
  for (const auto& [field, id] : prepared.references)
    for (auto& user : hold_users(turns_, *inventory_.picture(), id, part ? part->held : model::MachineId())) users.push_back(std::move(user));
  inventory_.change([&](Change& change) {
    check(change.picture(), caller, prepared);
    note_intent(change, caller, {{"rid", resource.id.text()}, {resource.kind == model::ResourceKind::storage ? "stid" : "nicid", resource.id.text()}});
    change.put(resource);
  });
  try {
    prepared.type->create({{"rid", resource.id.text()}, {"spec", resource.spec}, {"resources", prepared.documents}});
    resource.phase = model::Phase::ready;
    inventory_.change([&](Change& change) {
      // Its group may have been removed meanwhile, and this resource been marked with it.
      const auto row = change.picture().resources.find(resource.id);
      if (!row || row->phase != model::Phase::creating)
        throw Error(ErrorCode::group_not_found, fmt::format("You are in no group {}", model::number(group)));
      change.put(resource);
    });
  } catch (const Error& error) {
    // After a timeout it may still be made: the row stays, and the recovery takes back what has become of it.
    if (error.code() != ErrorCode::hypervisor_timeout) removal_.undo(resource);
    throw;
  } catch (...) {
    removal_.undo(resource);
    throw;
  }
  return inventory_.picture()->resources.find(resource.id);
}

ResourceView Resources::rehearse(const Caller& caller, const std::string& type, model::Gid group, const std::string& label, nlohmann::json spec) {
  auto prepared = prepare(caller, type, group, label, std::move(spec));
  inventory_.rehearse([&](Change& change) {
    check(change.picture(), caller, prepared);
    change.put(prepared.resource);
  });
  return {std::make_shared<const model::Resource>(std::move(prepared.resource)), {}, nlohmann::json::object()};
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
    views.push_back(view(*picture, access, resource));
  });
  return views;
}

ResourceView Resources::get(const Caller& caller, model::ResourceId id) const {
  const auto picture = inventory_.picture();
  const Access access(*picture, caller);
  auto shown = view(*picture, access, access.resource(id).pointer());
  const auto& resource = *shown.resource;
  if (const auto* type = registry_.find_resource_type(resource.type))
    shown.facts = type->inspect({{"rid", id.text()}, {"spec", resource.spec}, {"directory", blueprint_.directory(id).string()}});
  return shown;
}

void Resources::remove(const Caller& caller, model::ResourceId id) {
  Doomed doomed;
  inventory_.change([&](Change& change) {
    const auto resource = Access(change.picture(), caller).resource(id, model::ResourceRight::manage);
    if (!resource->found.empty() && !is_absent(*resource)) throw not_made("It was found on the host and would be found again: it can be removed once it has gone");
    doomed = removal_.mark(change, resource);
  });
  removal_.carry_out(doomed);
}

}  // namespace velocity::service
