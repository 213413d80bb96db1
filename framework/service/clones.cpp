#include "framework/service/clones.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>

#include "framework/service/access.hpp"
#include "framework/service/confidential.hpp"
#include "framework/service/firmware_variables.hpp"
#include "framework/service/machine_checks.hpp"
#include "framework/service/removal.hpp"
#include "framework/service/replies.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Json;
using model::Machine;
using model::MachineId;
using model::Permission;
using model::Phase;
using model::ResourceId;

constexpr const char* kDisks = "disks";  // in the journal: the ids of those that are made for the clone

// A label that is free in the group: the machine's name and the disk's place, and a number where that is taken.
std::string free_label(const Picture& picture, model::Gid group, const std::string& name, std::size_t place) {
  constexpr std::size_t kLongestName = 48;  // bytes; a label has at most 64 characters
  std::string head = name.substr(0, kLongestName);
  while (!head.empty() && (static_cast<unsigned char>(name.size() > head.size() ? name[head.size()] : 0) & 0xc0U) == 0x80U) head.pop_back();
  for (int attempt = 0;; ++attempt) {
    auto label = attempt == 0 ? fmt::format("{} disk {}", head, place + 1) : fmt::format("{} disk {} ({})", head, place + 1, attempt + 1);
    if (!picture.resource_labels.find({group, label})) return label;
  }
}

bool is_iso(const model::Resource& disk) { return disk.spec.value("format", "") == "iso"; }

// What the source writes is copied. A linked clone also writes what its source, a template, only reads; CDs are for all.
bool copied(const model::Resource& disk, const model::Attachment& attachment, bool linked) {
  if (writes(disk, attachment)) return true;
  return linked && !is_iso(disk) && attachment.options.value("cdrom", false) == false;
}

bool clonable(const plugin::Registry& registry, const model::Resource& disk) {
  const auto* type = registry.find_resource_type(disk.type);
  return type && type->info().resources.count("source") > 0;
}

std::vector<ResourceId> disks_of(const Machine& machine) {
  std::vector<ResourceId> disks;
  if (!machine.altering.is_object() || !machine.altering.contains(kDisks)) return disks;
  for (const auto& entry : machine.altering.at(kDisks))
    if (const auto id = entry.is_string() ? ResourceId::parse(entry.get_ref<const std::string&>()) : std::nullopt) disks.push_back(*id);
  return disks;
}

}  // namespace

Clones::Clones(Inventory& inventory, const plugin::Registry& registry, const Blueprint& blueprint, libvirt::Host& host, Resources& resources,
               Removal& removal, Turns& turns)
    : inventory_(inventory), registry_(registry), blueprint_(blueprint), host_(host), resources_(resources), removal_(removal), turns_(turns) {}

Machine Clones::copy_of(const Picture& picture, const CloneWish& wish, const Machine& source) const {
  Machine machine = source;
  machine.id = MachineId::random();
  machine.name = wish.name;
  machine.catalog = wish.catalog;
  machine.autostart = false;
  machine.created = static_cast<std::int64_t>(std::time(nullptr));
  machine.phase = Phase::creating;
  machine.storage.clear();  // those that it shares, until its own are made
  auto disks = Json::array();
  for (const auto& attachment : source.storage) {
    const auto disk = picture.resources.find(attachment.resource);
    if (!disk) throw resource_not_found(model::ResourceKind::storage, attachment.resource);
    if (!copied(*disk, attachment, wish.linked)) {
      machine.storage.push_back(attachment);
      continue;
    }
    if (!clonable(registry_, *disk))
      throw Error(ErrorCode::type_unavailable, fmt::format("The disk {} is of a kind that cannot be copied", disk->id.text())).with("rid", disk->id.text());
    disks.push_back(ResourceId::random().text());
  }
  machine.altering = {{kDisks, std::move(disks)}};
  for (auto& nic : machine.nics) nic.options.erase("mac_address");
  give_addresses(machine.nics);
  return machine;
}

Clones::Row Clones::clonable_source(const Picture& picture, const Caller& caller, MachineId id) const {
  auto source = Access(picture, caller).machine(id, Permission::view).pointer();
  if (!source->altering.is_null()) throw Error(ErrorCode::machine_busy, "A change of this is not finished yet. Try again later");
  const auto observation = picture.observations.find(id);
  if (observation && observation->effective().state != model::MachineState::STOPPED)
    throw Error(ErrorCode::machine_running, "The disks of a running machine cannot be copied. Stop the virtual machine first").with("vmid", id.text());
  get_vm_type(registry_, *source);
  return source;
}

Clones::Copy Clones::copy_of_disk(const Picture& picture, const Caller& caller, const CloneWish& wish, const model::Resource& disk, std::size_t place) {
  const auto group = caller.in(disk.group) ? disk.group : caller.user().own_group;
  return {group, free_label(picture, group, wish.name, place), {{"source", disk.id.text()}, {"linked", wish.linked}}};
}

Created Clones::clone(const Caller& caller, const CloneWish& wish) {
  Access(*inventory_.picture(), caller).machine(wish.source, Permission::view);
  removal_.require_hypervisor();
  if (!working_.try_acquire()) throw Error(ErrorCode::server_busy, "Other machines are being cloned. Try again in a moment");
  const std::unique_ptr<std::counting_semaphore<2>, Release> working(&working_);
  const auto source_turn = turns_.take(wish.source.uuid());
  const auto picture = inventory_.picture();
  const auto source = clonable_source(*picture, caller, wish.source);
  // Who may not see what is confidential would see it in a machine of its own.
  const auto seen = shown_to(Access(*picture, caller), *picture, registry_, source);
  const Machine machine = copy_of(*picture, wish, *seen);
  check_creation(registry_, *picture, caller, machine);

  const auto turn = turns_.take(machine.id.uuid());
  inventory_.change([&](Change& change) {
    Access(change.picture(), caller).machine(wish.source, Permission::view);
    check_creation(registry_, change.picture(), caller, machine);
    Json answer{{"vmid", machine.id.text()}};
    if (machine.rosetta) answer["warnings"] = {kNoRosetta};
    note_intent(change, caller, answer);
    change.put(machine);
  });
  try {
    make(caller, wish, *source, machine);
  } catch (const Error& error) {
    // After a timeout the domain may still come: the recovery takes it back when it is known what became of it.
    if (error.code() != ErrorCode::hypervisor_timeout) {
      take_back_disks(machine);
      removal_.undo(machine);
    }
    throw;
  } catch (...) {
    take_back_disks(machine);
    removal_.undo(machine);
    throw;
  }
  Created created{machine.id, {}};
  if (machine.rosetta) created.warnings.emplace_back(kNoRosetta);
  return created;
}

RehearsedClone Clones::rehearse(const Caller& caller, const CloneWish& wish) {
  Access(*inventory_.picture(), caller).machine(wish.source, Permission::view);
  removal_.require_hypervisor();
  const auto picture = inventory_.picture();
  const auto source = clonable_source(*picture, caller, wish.source);
  auto machine = copy_of(*picture, wish, *shown_to(Access(*picture, caller), *picture, registry_, source));
  check_creation(registry_, *picture, caller, machine);
  RehearsedClone rehearsed;
  auto shown = machine;
  shown.phase = Phase::ready;
  shown.altering = nullptr;
  machine.storage.clear();
  for (std::size_t place = 0; place < source->storage.size(); ++place) {
    auto attachment = source->storage[place];
    const auto disk = picture->resources.find(attachment.resource);
    if (copied(*disk, attachment, wish.linked)) {
      const auto wanted = copy_of_disk(*picture, caller, wish, *disk, place);
      rehearsed.disks.push_back(resources_.rehearse(caller, disk->type, wanted.group, wanted.label, wanted.spec));
      attachment.resource = rehearsed.disks.back().resource->id;
      attachment.options.erase("readonly");
    }
    machine.storage.push_back(std::move(attachment));
  }
  std::optional<Picture> imagined;
  inventory_.rehearse([&](Change& change) {  // all of them together: each alone may be within the quota
    for (const auto& disk : rehearsed.disks) {
      auto made = *disk.resource;
      made.phase = Phase::ready;
      change.put(made);
    }
    check_creation(registry_, change.picture(), caller, machine);
    change.put(machine);
    imagined = change.picture();
  });
  auto xml = blueprint_.domain_xml(*imagined, machine);
  host_.rehearse(xml);
  rehearsed.machine.machine.machine = std::make_shared<const Machine>(std::move(shown));
  if (machine.rosetta) rehearsed.machine.warnings.emplace_back(kNoRosetta);
  if (caller.is_root()) rehearsed.machine.domain_xml = std::move(xml);
  return rehearsed;
}

void Clones::make(const Caller& caller, const CloneWish& wish, const Machine& source, Machine machine) {
  const auto ids = disks_of(machine);
  auto next = ids.begin();
  machine.storage.clear();
  for (std::size_t place = 0; place < source.storage.size(); ++place) {
    const auto& attachment = source.storage[place];
    const auto picture = inventory_.picture();
    const auto disk = picture->resources.find(attachment.resource);
    if (!disk) throw resource_not_found(model::ResourceKind::storage, attachment.resource);
    auto copy = attachment;
    if (copied(*disk, attachment, wish.linked)) {
      copy.resource = *next++;
      copy.options.erase("readonly");
      const auto wanted = copy_of_disk(*picture, caller, wish, *disk, place);
      // Without the key of the request: what that makes is the machine.
      resources_.create(Caller(std::make_shared<const model::User>(caller.user())), disk->type, wanted.group, wanted.label, wanted.spec,
                        PartOf{copy.resource, source.id});
    }
    machine.storage.push_back(std::move(copy));
  }
  copy_variables(blueprint_.files(source.id).nvram, blueprint_.files(machine.id).nvram);
  machine.phase = Phase::ready;
  machine.altering = nullptr;
  host_.define(blueprint_.domain_xml(*inventory_.picture(), machine));
  inventory_.change([&](Change& change) {
    // Its catalog may have been removed meanwhile, and this machine been marked with it.
    const auto row = change.picture().machines.find(machine.id);
    if (!row || row->phase != Phase::creating) throw machine_not_found(machine.id);
    check_alteration(registry_, change.picture(), caller, *row, machine);
    change.put(machine);
  });
}

// Those that exist; one that somebody was quick to use stays.
void Clones::take_back_disks(const Machine& machine) noexcept {
  try {
    Doomed doomed;
    inventory_.change([&](Change& change) {
      for (const auto id : disks_of(machine)) {
        const auto disk = change.picture().resources.find(id);
        bool used = false;
        change.picture().uses.visit_from({id, MachineId()}, [&](const Picture::Use& use, const auto&) {
          used = use.first == id;
          return false;
        });
        change.picture().overlays.visit_from({id, model::ResourceId()}, [&](const Picture::Overlay& overlay, const auto&) {
          used = used || overlay.first == id;  // the base of somebody's linked clone
          return false;
        });
        if (!disk || used) continue;
        auto marked = *disk;
        marked.phase = Phase::deleting;
        change.put(marked);
        doomed.resources.push_back(id);
      }
    });
    removal_.carry_out(doomed);
  } catch (const std::exception& error) {
    spdlog::warn("the disks of the failed clone {} are left to be removed later: {}", machine.id.text(), error.what());
  }
}

void Clones::settle(MachineId id) {
  const auto machine = inventory_.picture()->machines.find(id);
  if (machine && machine->phase != Phase::ready) take_back_disks(*machine);
}

}  // namespace velocity::service
