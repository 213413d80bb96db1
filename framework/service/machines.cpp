#include "framework/service/machines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "framework/service/access.hpp"
#include "framework/service/confidential.hpp"
#include "framework/service/console_log.hpp"
#include "framework/service/machine_checks.hpp"
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

std::vector<std::string> warnings(const model::Machine& machine) {
  std::vector<std::string> all;
  if (machine.rosetta) all.emplace_back(kNoRosetta);
  return all;
}

nlohmann::json made(const model::Machine& machine) {
  nlohmann::json answer{{"vmid", machine.id.text()}};
  if (auto all = warnings(machine); !all.empty()) answer["warnings"] = std::move(all);
  return answer;
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
  check_creation(registry_, *before, caller, wanted);
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
    check_creation(registry_, change.picture(), caller, wanted);
    note_intent(change, caller, made(wanted));
    change.put(wanted);
  });
  try {
    host_.define(xml);
    wanted.phase = Phase::ready;
    inventory_.change([&wanted = wanted](Change& change) {
      // Its catalog may have been removed meanwhile, and this machine been marked with it.
      const auto row = change.picture().machines.find(wanted.id);
      if (!row || row->phase != Phase::creating) throw catalog_not_found(wanted.catalog);
      change.put(wanted);
    });
  } catch (const Error& error) {
    // After a timeout the domain may still come: the recovery takes it back when it is known what became of it.
    if (error.code() != ErrorCode::hypervisor_timeout) removal_.undo(wanted);
    throw;
  } catch (...) {
    removal_.undo(wanted);
    throw;
  }
  return {wanted.id, warnings(wanted)};
}

Rehearsed Machines::rehearse(const Caller& caller, model::Machine request) {
  auto [type, wanted, xml] = prepare(caller, std::move(request));
  inventory_.rehearse([&, &type = type, &wanted = wanted](Change& change) {
    check_creation(registry_, change.picture(), caller, wanted);
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

MachineView Machines::view(const Picture& picture, const Access& access, std::shared_ptr<const model::Machine> machine) const {
  MachineView view{shown_to(access, picture, registry_, std::move(machine)), {}, true, {}};
  view.runtime = picture.runtime(view.machine->id);
  if (!registry_.find_vm_type(view.machine->type)) {
    view.available = false;
    view.why_not = fmt::format("the plugin {}, which brings the type \"{}\", is not installed", view.machine->plugin, view.machine->type);
  }
  return view;
}

MachineView Machines::get(const Caller& caller, MachineId id) const {
  const auto picture = inventory_.picture();
  const Access access(*picture, caller);
  return view(*picture, access, access.machine(id, Permission::view).pointer());
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
