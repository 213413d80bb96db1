#include "framework/service/recovery.hpp"

#include <spdlog/spdlog.h>

#include <chrono>
#include <set>

#include "framework/model/error.hpp"
#include "framework/service/console_log.hpp"
#include "framework/service/emulation.hpp"

namespace velocity::service {
namespace {

using model::Phase;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{5000};
constexpr std::chrono::milliseconds kStartingTick{250};  // while machines are started
constexpr std::chrono::minutes kRound{5};
constexpr std::chrono::minutes kShutdownPatience{2};

// One thing that fails does not keep the others from being mended.
template <class Work>
void guarded(const char* what, Work work) {
  try {
    work();
  } catch (const std::exception& error) {
    spdlog::warn("recovery: {}: {}", what, error.what());
  }
}

}  // namespace

Recovery::Recovery(World world) : world_(world), autostart_(world.inventory, world.power) {
  world_.uploads.sweep();
  thread_ = std::thread([this] { run(); });
  // Laundering a large image must not keep machines from being mended.
  uploads_thread_ = std::thread([this] {
    guarded("uploads", [this] {
      world_.uploads.finish_complete([this](int) {
        if (stopping_) throw model::Error(model::ErrorCode::server_busy, "the server stops");
      });
    });
  });
}

Recovery::~Recovery() {
  stopping_ = true;
  world_.observer.wake();
  thread_.join();
  uploads_thread_.join();
}

void Recovery::run() {
  guarded("files", [this] { recover_files(); });
  auto last_round = steady_clock::now();
  while (!stopping_) {
    const bool connected = world_.observer.wait_for_connect(autostart_.busy() ? kStartingTick : kTick);
    if (stopping_) return;
    if (connected || steady_clock::now() - last_round > kRound) {
      guarded("reconciling", [this] { reconcile(); });
      guarded("idle uploads", [this] { world_.uploads.expire(); });
      guarded("kept answers", [this] { world_.replies.expire(); });
      ++rounds_;
      last_round = steady_clock::now();
    }
    if (connected) guarded("acceleration", [this] { tell_of_emulation(); });
    if (world_.observer.take_device_news()) guarded("found resources", [this] { world_.found.refresh(); });
    guarded("autostart", [this] { autostart_.tick(steady_clock::now()); });
    guarded("devices of guests", [this] { world_.guards.tidy(); });
    guarded("logs", [this] { bound_logs(); });
    end_unheard_stops();
  }
}

// Images that no row knows are put aside, never deleted: they may be all that is left of something.
void Recovery::recover_files() {
  guarded("unfinished clones", [this] { settle_clones(); });
  guarded("unfinished resources", [this] {
    Doomed doomed;
    doomed.resources = world_.removal.left_over().resources;
    world_.removal.carry_out(doomed);
  });
  const auto files = world_.volumes.list();
  const auto picture = world_.inventory.picture();  // taken after the list, so that a volume being made now is known
  std::set<model::ResourceId> expected;
  picture->uploads.visit_all([&](const auto&, const auto& upload) { expected.insert(upload->resource); });
  for (const auto& id : files) {
    if (picture->resources.find(id) || expected.count(id) > 0) continue;
    spdlog::warn("recovery: the image {} belongs to no resource; it is put into quarantine", id.text());
    world_.volumes.quarantine(id);
  }
}

void Recovery::reconcile() {
  if (!world_.host.connected()) return;
  guarded("unfinished clones", [this] { settle_clones(); });
  guarded("unfinished changes", [this] {
    const auto doomed = world_.removal.left_over();
    const auto count = doomed.machines.size() + doomed.resources.size() + doomed.catalogs.size() + doomed.groups.size();
    if (count == 0) return;
    spdlog::info("recovery: finishing {} changes that were left half-way", count);
    world_.removal.carry_out(doomed);
  });
  const auto before = world_.inventory.picture();
  const auto domains = world_.host.list();
  for (const auto& domain : domains) {  // should an event have been lost
    const auto known = before->observations.find(domain.id);
    if (!known || known->seen.state != domain.runtime.state) world_.inventory.observe_unless_news(domain.id, domain.runtime, known);
  }
  guarded("unfinished alterations", [this] { settle_machines(); });
  world_.resource_changes.finish_all();
  guarded("missing domains", [&] { define_missing(domains); });
  guarded("found resources", [this] { world_.found.refresh(); });
  guarded("guards of NICs", [this] { world_.guards.renew(); });
  report_foreign(domains);
  if (!std::exchange(autostarted_, true)) autostart_.begin(steady_clock::now());
}

// Their disks go before the removal takes the machine, whose row alone knows them.
void Recovery::settle_clones() {
  const auto picture = world_.inventory.picture();
  std::vector<model::MachineId> unfinished;
  picture->machines.visit_all([&](const auto& id, const auto& machine) {
    if (machine->phase != Phase::ready && !machine->altering.is_null()) unfinished.push_back(id);
  });
  for (const auto& id : unfinished)
    if (const auto turn = world_.turns.take_if_free(id.uuid())) world_.clones.settle(id);
}

void Recovery::settle_machines() {
  const auto picture = world_.inventory.picture();
  std::set<model::MachineId> unsettled;
  picture->machines.visit_all([&](const auto& id, const auto& machine) {
    if (!machine->altering.is_null() && machine->phase == Phase::ready) unsettled.insert(id);
  });
  picture->snapshots.visit_all([&](const auto&, const auto& snapshot) {
    if (snapshot->phase != Phase::ready) unsettled.insert(snapshot->machine);
  });
  for (const auto& id : unsettled)
    if (const auto turn = world_.turns.take_if_free(id.uuid())) {
      world_.alterations.settle(id);
      world_.snapshots.settle(id);
    }
}

void Recovery::define_missing(const std::vector<libvirt::DomainState>& domains) {
  std::set<model::MachineId> there;
  for (const auto& domain : domains) there.insert(domain.id);
  const auto picture = world_.inventory.picture();
  std::vector<std::shared_ptr<const model::Machine>> missing;
  picture->machines.visit_all([&](const auto& id, const auto& machine) {
    if (machine->phase == Phase::ready && there.count(id) == 0) missing.push_back(machine);
  });
  for (const auto& machine : missing)
    guarded("a missing domain", [&] {
      const auto turn = world_.turns.take_if_free(machine->id.uuid());
      const auto now = world_.inventory.picture();
      const auto current = now->machines.find(machine->id);
      if (!turn || !current || current->phase != Phase::ready) return;
      spdlog::warn("recovery: the virtual machine {} had no domain; it is defined again", machine->id.text());
      world_.host.define(world_.blueprint.domain_xml(*now, *current));
    });
}

// Once, and again when it has become another.
void Recovery::tell_of_emulation() {
  const auto notice = emulation_notice(world_.host.facts());
  if (notice == std::exchange(told_, notice) || notice.empty()) return;
  spdlog::warn("{}", notice);
}

void Recovery::report_foreign(const std::vector<libvirt::DomainState>& domains) {
  const auto picture = world_.inventory.picture();
  for (const auto& domain : domains)
    if (!picture->machines.find(domain.id))
      spdlog::warn("recovery: the hypervisor has a domain {} that the database does not know; it is left alone", domain.id.text());
}

void Recovery::bound_logs() {
  std::set<model::MachineId> writing;
  const auto picture = world_.inventory.picture();
  picture->observations.visit_all([&](const auto& id, const auto& observation) {
    if (observation->seen.state != model::MachineState::STOPPED && picture->machines.find(id)) writing.insert(id);
  });
  auto due = writing;
  due.merge(std::exchange(wrote_, std::move(writing)));  // once more after a stop
  for (const auto& id : due) bound_console_log(world_.blueprint.files(id).console_log);
}

// A guest that does not react to the power button runs on, and its state says so.
void Recovery::end_unheard_stops() {
  const auto now = steady_clock::now();
  const auto picture = world_.inventory.picture();
  picture->observations.visit_all([&](const auto& id, const auto& observation) {
    if (observation->passing != model::MachineState::STOPPING || now - observation->since < kShutdownPatience) return;
    const auto turn = world_.turns.take_if_free(id.uuid());
    if (!turn) return;
    spdlog::warn("the guest of {} did not react to the request to shut down", id.text());
    world_.inventory.observe_unless_news(id, {observation->seen.state, "the guest did not react to the request to shut down"}, observation);
    world_.inventory.set_passing(id, std::nullopt);
  });
}

}  // namespace velocity::service
