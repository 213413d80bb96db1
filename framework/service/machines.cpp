#include "framework/service/machines.hpp"

#include <fmt/format.h>

#include <ctime>
#include <set>

#include "framework/model/mac_address.hpp"
#include "framework/service/access.hpp"
#include "framework/service/console_log.hpp"
#include "framework/service/references.hpp"
#include "framework/service/removal.hpp"
#include "framework/service/replies.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::MachineId;
using model::Permission;
using model::Phase;

// The seed's 404 for anything that a machine refers to.
Error not_found(ErrorCode code, std::string_view type, const std::string& rid) {
  return Error(code, fmt::format("No {} {} is visible to you", type, rid)).with("type", std::string(type)).with("rid", rid);
}

// A disk that the guest may write to belongs to one machine at a time.
bool writes(const model::Resource& resource, const model::Attachment& attachment) {
  const auto on = [&](const char* option) {
    const auto found = attachment.options.find(option);
    return found != attachment.options.end() && *found == true;
  };
  const auto format = resource.spec.find("format");
  const bool iso = format != resource.spec.end() && *format == "iso";
  return resource.kind == model::ResourceKind::storage && !iso && !on("readonly") && !on("cdrom");
}

void check_attachment(const Picture& picture, const Access& access, const model::Attachment& attachment, model::ResourceKind kind) {
  const auto resource = picture.resources.find(attachment.resource);
  if (!resource || resource->kind != kind || !access.sees(*resource))
    throw not_found(ErrorCode::resource_not_found, kind == model::ResourceKind::storage ? "storage" : "nic", attachment.resource.text());
  picture.uses.visit_from({resource->id, MachineId()}, [&](const Picture::Use& use, const auto& other) {
    if (use.first != resource->id) return false;
    if (writes(*resource, attachment) || writes(*resource, *other))
      throw Error(ErrorCode::resource_in_use, fmt::format("The virtual machine {} uses the resource {}", use.second.text(), resource->id.text()))
          .with("vmid", use.second.text())
          .with("rid", resource->id.text());
    return true;
  });
}

// A place in the boot order is for one device.
void check_boot_order(const model::Machine& wanted) {
  std::vector<model::Problem> problems;
  std::set<nlohmann::json> taken;
  for (const auto* list : {&wanted.storage, &wanted.nics})
    for (std::size_t i = 0; i < list->size(); ++i) {
      const auto boot = (*list)[i].options.find("boot");
      if (boot == (*list)[i].options.end() || taken.insert(*boot).second) continue;
      problems.push_back({fmt::format("/{}/{}/boot", list == &wanted.storage ? "storage_devices" : "nics", i), "stands at another device already"});
    }
  if (!problems.empty()) throw Error(std::move(problems));
}

// What a machine boots from is read by it alone.
model::Attachment as_part(model::ResourceId id) { return {id, {{"readonly", true}}}; }

// A NIC keeps its address for as long as the machine has it, whatever is made anew.
void give_addresses(std::vector<model::Attachment>& nics) {
  for (auto& nic : nics)
    if (!nic.options.contains("mac_address")) nic.options["mac_address"] = model::random_mac_address();
}

// All that must hold in the picture for the machine to be made there.
void check(const Picture& picture, const Caller& caller, const model::Machine& wanted, const plugin::TypeInfo& type) {
  const Access access(picture, caller);
  try {
    access.catalog(wanted.catalog, Permission::create);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::catalog_not_found) throw not_found(ErrorCode::catalog_not_found, "catalog", wanted.catalog.text());
    throw;
  }
  std::set<model::ResourceId> seen;
  for (const auto* list : {&wanted.storage, &wanted.nics})
    for (const auto& attachment : *list) {
      check_attachment(picture, access, attachment, list == &wanted.storage ? model::ResourceKind::storage : model::ResourceKind::nic);
      if (!seen.insert(attachment.resource).second)
        throw Error(std::vector<model::Problem>{{list == &wanted.storage ? "/storage_devices" : "/nics", "has the resource " + attachment.resource.text() + " twice"}});
    }
  for (const auto& [field, resource] : wanted.parts) check_attachment(picture, access, as_part(resource), type.resources.at(field));
  if (const auto other = picture.machine_names.find({wanted.catalog, wanted.name}))
    throw Error(ErrorCode::machine_name_taken, fmt::format("The catalog has a virtual machine \"{}\" already", wanted.name)).with("vmid", other->text());
}

std::vector<std::string> warnings(const model::Machine& machine) {
  std::vector<std::string> all;
  if (machine.rosetta) all.emplace_back("rosetta: x86 translation is not available on this host; the virtual machine is without it");
  return all;
}

}  // namespace

Machines::Machines(Inventory& inventory, const plugin::Registry& registry, const Blueprint& blueprint, libvirt::Host& host,
                   const storage::Volumes& volumes, Removal& removal, Turns& turns)
    : inventory_(inventory), registry_(registry), blueprint_(blueprint), host_(host), volumes_(volumes), removal_(removal), turns_(turns) {}

Machines::Prepared Machines::prepare(const Caller& caller, model::Machine wanted) const {
  const auto* type = registry_.find_vm_type(wanted.type);
  if (!type) throw Error(ErrorCode::type_not_found, fmt::format("No plugin brings the type \"{}\"", wanted.type));
  const auto before = inventory_.picture();
  wanted.parts = read_references(type->info(), wanted.spec);
  check(*before, caller, wanted, type->info());
  check_boot_order(wanted);
  removal_.require_hypervisor();
  if (const auto verdict = availability(*type, host_); !verdict.available) throw Error(ErrorCode::type_unavailable, verdict.why_not);
  wanted.id = MachineId::random();
  wanted.plugin = type->info().plugin;
  wanted.spec = type->validate(wanted.spec, with_heads(*before, wanted.parts, volumes_));
  give_addresses(wanted.nics);
  wanted.created = static_cast<std::int64_t>(std::time(nullptr));
  wanted.phase = Phase::creating;
  auto xml = blueprint_.domain_xml(*before, wanted);
  return {type, std::move(wanted), std::move(xml)};
}

Created Machines::create(const Caller& caller, model::Machine request) {
  auto [type, wanted, xml] = prepare(caller, std::move(request));
  const auto turn = turns_.take(wanted.id.uuid());
  inventory_.change([&, &type = type, &wanted = wanted](Change& change) {
    check(change.picture(), caller, wanted, type->info());
    note_intent(change, caller, {{"vmid", wanted.id.text()}});
    change.put(wanted);
  });
  try {
    host_.define(xml);
    wanted.phase = Phase::ready;
    inventory_.change([&wanted = wanted](Change& change) {
      // Its catalog may have been removed meanwhile, and this machine been marked with it.
      const auto row = change.picture().machines.find(wanted.id);
      if (!row || row->phase != Phase::creating) throw not_found(ErrorCode::catalog_not_found, "catalog", wanted.catalog.text());
      change.put(wanted);
    });
  } catch (const Error& error) {
    // After a timeout the domain may still come: the recovery takes it back when it is known what became of it.
    if (error.code() != ErrorCode::hypervisor_timeout) removal_.undo(wanted);
    throw;
  }
  return {wanted.id, warnings(wanted)};
}

Rehearsed Machines::rehearse(const Caller& caller, model::Machine request) {
  auto [type, wanted, xml] = prepare(caller, std::move(request));
  inventory_.rehearse([&, &type = type, &wanted = wanted](Change& change) {
    check(change.picture(), caller, wanted, type->info());
    change.put(wanted);
  });
  host_.rehearse(xml);
  Rehearsed rehearsed{{std::make_shared<const model::Machine>(wanted), {}, true, {}}, warnings(wanted), {}};
  if (caller.is_root()) rehearsed.domain_xml = std::move(xml);
  return rehearsed;
}

void Machines::remove(const Caller& caller, MachineId id) {
  Access(*inventory_.picture(), caller).machine(id, Permission::remove);
  removal_.require_hypervisor();
  Doomed doomed;
  inventory_.change([&](Change& change) { doomed = removal_.mark(change, Access(change.picture(), caller).machine(id, Permission::remove)); });
  removal_.carry_out(doomed);
}

MachineView Machines::view(const Picture& picture, std::shared_ptr<const model::Machine> machine) const {
  MachineView view{std::move(machine), {}, true, {}};
  view.runtime = picture.runtime(view.machine->id);
  if (!registry_.find_vm_type(view.machine->type)) {
    view.available = false;
    view.why_not = fmt::format("the plugin {}, which brings the type \"{}\", is not installed", view.machine->plugin, view.machine->type);
  }
  return view;
}

MachineView Machines::get(const Caller& caller, MachineId id) const {
  const auto picture = inventory_.picture();
  return view(*picture, Access(*picture, caller).machine(id, Permission::view).pointer());
}

MachinePage Machines::list(const Caller& caller, const MachineFilter& filter) const {
  const auto picture = inventory_.picture();
  const Access access(*picture, caller);
  if (filter.catalog) access.catalog(*filter.catalog, Permission::view);
  std::map<model::CatalogId, bool> viewable;  // asked once for each catalog, not once for each machine
  picture->catalogs.visit_all([&](const auto& id, const auto& catalog) {
    viewable[id] = catalog->phase == Phase::ready && access.on(*catalog).has(Permission::view);
  });
  MachinePage page;
  picture->machines.visit_from(filter.after.value_or(MachineId()), [&](const MachineId& id, const auto& machine) {
    if (filter.after && id == *filter.after) return true;
    if (machine->phase != Phase::ready || !viewable[machine->catalog]) return true;
    if (filter.catalog && machine->catalog != *filter.catalog) return true;
    if (filter.type && machine->type != *filter.type) return true;
    if (filter.name && machine->name != *filter.name) return true;
    if (filter.state && picture->runtime(id).state != *filter.state) return true;
    if (page.machines.size() == filter.limit) {
      page.next = page.machines.back().machine->id;
      return false;
    }
    page.machines.push_back(view(*picture, machine));
    return true;
  });
  return page;
}

model::Runtime Machines::state(const Caller& caller, MachineId id) const {
  const auto picture = inventory_.picture();
  Access(*picture, caller).machine(id);
  return picture->runtime(id);
}

std::string Machines::console_log(const Caller& caller, MachineId id, std::int64_t tail) const {
  Access(*inventory_.picture(), caller).machine(id, Permission::interact);
  return console_tail(blueprint_.files(id).console_log, tail);
}

}  // namespace velocity::service
