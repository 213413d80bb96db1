#include "framework/service/alterations.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "framework/service/access.hpp"
#include "framework/service/kept_disks.hpp"
#include "framework/service/machine_checks.hpp"
#include "framework/service/machine_document.hpp"
#include "framework/service/references.hpp"
#include "framework/service/removal.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Json;
using model::Machine;
using model::MachineId;
using model::MachineState;
using model::Permission;
using model::ResourceKind;

constexpr const char* kTarget = "target";  // in the journal: the row that is gone back to

template <class T, class Value>
void assign(T& field, const std::optional<Value>& value) {
  if (value) field = *value;
}

// A NIC that stays keeps its address unless it is given another.
void keep_addresses(const std::vector<model::Attachment>& old, std::vector<model::Attachment>& nics) {
  for (auto& nic : nics)
    for (const auto& before : old)
      if (before.resource == nic.resource && before.options.contains("mac_address") && !nic.options.contains("mac_address"))
        nic.options["mac_address"] = before.options.at("mac_address");
}

bool same(const std::vector<model::Attachment>& a, const std::vector<model::Attachment>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& left, const auto& right) { return left.resource == right.resource && left.options == right.options; });
}

bool same(const std::vector<model::Display>& a, const std::vector<model::Display>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
    return left.description == right.description && left.width == right.width && left.height == right.height;
  });
}

// Each field that differs: whether it takes effect without the guest's noticing. Devices are judged by the plan.
std::map<std::string, bool> differences(const Machine& old, const Machine& wanted, const plugin::VmType& type) {
  std::map<std::string, bool> changes;
  if (old.name != wanted.name) changes["name"] = true;
  if (old.catalog != wanted.catalog) changes["catalog"] = true;
  if (old.autostart != wanted.autostart) changes["autostart"] = true;
  if (old.cpu_count != wanted.cpu_count) changes["cpu_count"] = false;
  if (old.memory_mb != wanted.memory_mb) changes["memory_size_mb"] = false;
  if (old.rosetta != wanted.rosetta) changes["rosetta"] = false;
  if (!same(old.displays, wanted.displays)) changes["displays"] = false;
  if (!same(old.storage, wanted.storage)) changes["storage_devices"] = false;
  if (!same(old.nics, wanted.nics)) changes["nics"] = false;
  if (old.spec == wanted.spec) return changes;
  const auto live = type.live_changes(old.spec, wanted.spec);
  for (const auto* spec : {&old.spec, &wanted.spec})
    for (const auto& [field, value] : spec->items())
      if (old.spec.value(field, Json()) != wanted.spec.value(field, Json())) changes[field] = std::find(live.begin(), live.end(), "/" + field) != live.end();
  return changes;
}

bool is_stopped(const Picture& picture, MachineId id) {
  const auto observation = picture.observations.find(id);
  return !observation || observation->seen.state == MachineState::STOPPED;
}

}  // namespace

Alterations::Alterations(Inventory& inventory, const plugin::Registry& registry, const Blueprint& blueprint, libvirt::Host& host,
                         const storage::Volumes& volumes, Removal& removal, Turns& turns, const Machines& machines)
    : inventory_(inventory),
      registry_(registry),
      blueprint_(blueprint),
      host_(host),
      volumes_(volumes),
      removal_(removal),
      turns_(turns),
      machines_(machines) {}

Machine Alterations::planned(const Machine& now, const MachineChange& change) const {
  Machine wanted = now;
  assign(wanted.name, change.name);
  assign(wanted.catalog, change.catalog);
  assign(wanted.cpu_count, change.cpu_count);
  assign(wanted.memory_mb, change.memory_mb);
  assign(wanted.displays, change.displays);
  assign(wanted.storage, change.storage);
  assign(wanted.nics, change.nics);
  assign(wanted.autostart, change.autostart);
  assign(wanted.rosetta, change.rosetta);
  keep_addresses(now.nics, wanted.nics);
  for (const auto& [field, value] : change.own.items()) {
    if (value.is_null()) wanted.spec.erase(field);
    else wanted.spec[field] = value;
  }
  if (!change.own.empty()) wanted.parts = read_references(get_vm_type(registry_, now).info(), wanted.spec);
  give_addresses(wanted.nics);
  return wanted;
}

Alterations::Prepared Alterations::prepare(const Caller& caller, MachineId id, const MachineChange& change) const {
  const auto picture = inventory_.picture();
  const auto now = Access(*picture, caller).machine(id, Permission::alter).pointer();
  if (!now->altering.is_null())
    throw Error(ErrorCode::machine_busy, "An earlier change of this is still being taken back. Stop the machine, or try again later");

  const auto& type = get_vm_type(registry_, *now);
  Machine wanted = planned(*now, change);
  // Who moves it takes it from those who had it.
  if (wanted.catalog != now->catalog) static_cast<void>(Access(*picture, caller).machine(id, Permission::remove));
  check_alteration(registry_, *picture, caller, *now, wanted);
  check_boot_order(wanted);
  require_kept_disks(*picture, wanted);
  if (!change.own.empty()) wanted.spec = type.validate(wanted.spec, with_heads(*picture, wanted.parts, volumes_));
  Prepared prepared{picture, now, std::move(wanted), {}, {}, {}};
  auto& changes = prepared.altered.changes = differences(*now, prepared.wanted, type);
  if (prepared.wanted.rosetta && !now->rosetta) prepared.altered.warnings.emplace_back(kNoRosetta);
  if (changes.empty()) return prepared;
  prepared.domain_xml = blueprint_.domain_xml(*picture, prepared.wanted);
  const bool devices = changes.count("storage_devices") + changes.count("nics") > 0;
  if (!devices || is_stopped(*picture, id)) return prepared;
  const auto old_xml = blueprint_.domain_xml(*picture, *now);
  prepared.plan =
      plan_live(blueprint_.devices(*picture, *now), blueprint_.devices(*picture, prepared.wanted), host_.devices(id), libvirt::boots_a_kernel(old_xml), true);
  for (const auto& [field, kind] : {std::pair("storage_devices", ResourceKind::storage), std::pair("nics", ResourceKind::nic)})
    if (const auto changed = changes.find(field); changed != changes.end()) changed->second = prepared.plan.next_start.count(kind) == 0;
  return prepared;
}

Altered Alterations::alter(const Caller& caller, MachineId id, const MachineChange& change) {
  Access(*inventory_.picture(), caller).machine(id, Permission::alter);
  removal_.require_hypervisor();
  const auto turn = turns_.take(id.uuid());
  settle(id);
  auto prepared = prepare(caller, id, change);
  auto& altered = prepared.altered;
  if (!altered.changes.empty()) {
    inventory_.change([&](Change& edit) { put_intent(edit, caller, prepared.wanted); });
    try {
      host_.define(prepared.domain_xml);
      carry_out(prepared.wanted, prepared.plan, altered);
      commit_outcome(prepared.wanted);
    } catch (const Error& error) {
      // After a timeout nobody knows what has happened: the recovery looks when it is known.
      if (error.code() != ErrorCode::hypervisor_timeout) settle(id);
      throw;
    }
  }
  const auto after = inventory_.picture();
  altered.view = machines_.view(*after, Access(*after, caller), after->machines.find(id));
  return std::move(altered);
}

Altered Alterations::rehearse(const Caller& caller, MachineId id, const MachineChange& change) {
  Access(*inventory_.picture(), caller).machine(id, Permission::alter);
  removal_.require_hypervisor();
  const auto turn = turns_.take(id.uuid());
  auto prepared = prepare(caller, id, change);
  auto& altered = prepared.altered;
  if (!altered.changes.empty()) {
    inventory_.rehearse([&](Change& edit) { put_intent(edit, caller, prepared.wanted); });
    host_.rehearse(prepared.domain_xml);
    if (caller.is_root()) altered.domain_xml = std::move(prepared.domain_xml);
  }
  altered.view = machines_.view(*prepared.picture, Access(*prepared.picture, caller), std::make_shared<const Machine>(prepared.wanted));
  return std::move(altered);
}

void Alterations::put_intent(Change& change, const Caller& caller, const Machine& wanted) const {
  const auto row = change.picture().machines.find(wanted.id);
  if (!row || row->phase != model::Phase::ready) throw machine_not_found(wanted.id);
  check_alteration(registry_, change.picture(), caller, *row, wanted);
  auto journalled = between(*row, wanted);
  journalled.altering = {{kTarget, document_of(*row)}};
  change.put(journalled);
}

void Alterations::commit_outcome(Machine row) {
  row.altering = nullptr;
  inventory_.change([&](Change& change) {
    // It may have been marked for removal meanwhile, alone or with its catalog.
    const auto current = change.picture().machines.find(row.id);
    if (!current || current->phase != model::Phase::ready) throw machine_not_found(row.id);
    change.put_back(row);  // it has no more than the journalled row, or what it had before a move
  });
}

void Alterations::carry_out(const Machine& wanted, const LivePlan& plan, Altered& altered) {
  for (const auto& step : plan.steps) {
    if (do_step(wanted.id, step, altered)) continue;
    altered.changes[step.kind == ResourceKind::storage ? "storage_devices" : "nics"] = false;
  }
}

// False: it comes with the next start. Throws machine_running for what cannot be taken out, or what the connection to the hypervisor makes impossible.
bool Alterations::do_step(MachineId id, const LiveStep& step, Altered& altered) {
  const auto lost = [](const Error& error) {
    return error.code() == ErrorCode::hypervisor_unavailable || error.code() == ErrorCode::hypervisor_timeout;
  };
  try {
    switch (step.action) {
      case LiveStep::Action::attach: host_.attach_device(id, step.xml); return true;
      case LiveStep::Action::change_medium: host_.update_device(id, step.xml); return true;
      case LiveStep::Action::detach:
        if (host_.detach_device(id, step.device)) return true;
        throw detach_refused(step.resource, "The guest does not let it go");
    }
  } catch (const Error& error) {
    if (lost(error) || error.code() == ErrorCode::machine_running) throw;
    if (step.action != LiveStep::Action::attach) {
      spdlog::warn("taking the resource {} out of the running machine {} failed: {}", step.resource.text(), id.text(), error.what());
      throw detach_refused(step.resource, "The hypervisor says no");
    }
    altered.warnings.push_back(fmt::format("{}: it could not be plugged in now and is there at the next start ({})", step.resource.text(), error.detail()));
  }
  return false;
}

void Alterations::settle(MachineId id) {
  const auto picture = inventory_.picture();
  const auto row = picture->machines.find(id);
  if (!row || row->phase != model::Phase::ready || !row->altering.is_object() || !row->altering.contains(kTarget)) return;
  Machine target = *row;
  try {
    restore_all(target, row->altering.at(kTarget));
    // Its old name was free meanwhile. The new one is its own in any case.
    if (const auto other = picture->machine_names.find({target.catalog, target.name}); other && *other != id) {
      target.catalog = row->catalog;
      target.name = row->name;
    }
    host_.define(blueprint_.domain_xml(*picture, target));
    if (!is_stopped(*picture, id)) {
      const auto plan = plan_live(blueprint_.devices(*picture, *row), blueprint_.devices(*picture, target), host_.devices(id), false, false);
      Altered ignored;
      for (const auto& step : plan.steps) do_step(id, step, ignored);
    }
    commit_outcome(std::move(target));
  } catch (const std::exception& error) {
    spdlog::warn("an alteration of the virtual machine {} is left to be taken back later: {}", id.text(), error.what());
  }
}

}  // namespace velocity::service
