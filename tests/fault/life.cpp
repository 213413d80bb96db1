// A server's services without its sockets, living through a short life that a test can end at any file operation.
//   life prepare STATE        makes the users and groups, warms the hypervisor's cache
//   life live STATE ACKS      makes and removes images and machines; ACKS gets a line before and after each change
//   life check STATE ACKS     starts again, waits for the recovery, compares everything; prints what is wrong
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <set>
#include <thread>

#include "framework/service/volume_use.hpp"
#include "tests/service/house.hpp"

namespace velocity {
namespace {

using model::Phase;

constexpr int kAlteredCpus = 2;

// Written past the library that counts file operations.
class Acks {
 public:
  explicit Acks(const char* file) : fd_(::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
  void note(const std::string& line) const {
    const auto text = line + "\n";
    if (::syscall(SYS_write, fd_, text.data(), text.size()) < 0) std::abort();
  }

 private:
  int fd_;
};

void arm() {
  using Arm = void (*)();
  if (const auto function = reinterpret_cast<Arm>(::dlsym(RTLD_DEFAULT, "kill_at_arm"))) function();
}

model::Machine machine_with(model::CatalogId catalog, const std::string& name, std::vector<model::Attachment> disks) {
  model::Machine machine;
  machine.name = name;
  machine.catalog = catalog;
  machine.type = "efi";
  machine.cpu_count = 1;
  machine.memory_mb = 64;
  machine.displays = {{"screen", 800, 600}};
  machine.storage = std::move(disks);
  return machine;
}

model::ResourceId upload(test::House& house, const service::Caller& caller, const std::string& label) {
  const std::vector<std::byte> image(64 * 1024, std::byte{0x21});
  const auto upload = house.uploads.create(caller, {model::kRootGroup, label, "raw", static_cast<std::int64_t>(image.size())});
  const auto writer = house.uploads.open(caller, upload.id, 0);
  writer->append(image);
  return writer->finish();
}

void alter(test::House& house, const service::Caller& caller, model::MachineId machine, model::ResourceId disk) {
  service::MachineChange change;
  change.name = "altered";
  change.cpu_count = kAlteredCpus;
  change.storage = std::vector<model::Attachment>{{disk}};
  house.alterations.alter(caller, machine, change);
}

// What comes and goes again, and what stays of it.
void keep_and_clone(test::House& house, const service::Caller& caller, const Acks& acks, model::MachineId machine, model::CatalogId catalog) {
  house.snapshots.take(caller, machine, "first");
  house.snapshots.take(caller, machine, "second");
  house.snapshots.revert(caller, machine, "first");
  house.snapshots.remove(caller, machine, "second");
  const auto copy = house.clones.clone(caller, {machine, "copy", catalog, false}).id;
  acks.note("+machine " + copy.text());
}

void live(const char* state, const char* acks_file) {
  test::House house(state, "");  // the embedded driver: real domains on disk
  const Acks acks(acks_file);
  house.host.facts();
  const auto root = house.caller("root");
  const auto catalog = house.catalogs.list(root).at(0).catalog->id;
  arm();
  const auto made = [&](const std::string& kind, const auto& id) { acks.note("+" + kind + " " + id.text()); };
  const auto removing = [&](const std::string& kind, const auto& id, auto work) {
    acks.note("?" + kind + " " + id.text());
    work();
    acks.note("-" + kind + " " + id.text());
  };
  for (int round = 0; round < 3; ++round) {
    const auto suffix = std::to_string(round);
    const auto empty = house.resources.create(root, "disk-image", model::kRootGroup, "empty" + suffix, {{"size_mb", 1}, {"format", round ? "raw" : "qcow2"}})->id;
    made("resource", empty);
    const auto uploaded = upload(house, root, "uploaded" + suffix);
    made("resource", uploaded);
    house.resource_changes.alter(root, empty, "grown" + suffix, {{"size_mb", 2}});
    if (round < 2) {  // one linked clone stays, the other goes before its base
      const auto base = house.resources.create(root, "disk-image", model::kRootGroup, "base" + suffix, {{"source", uploaded.text()}})->id;
      made("resource", base);
      const auto linked =
          house.resources.create(root, "disk-image", model::kRootGroup, "linked" + suffix, {{"source", base.text()}, {"linked", true}, {"size_mb", 3}})->id;
      made("resource", linked);
      house.resource_changes.alter(root, linked, std::nullopt, {{"size_mb", 4}});
      if (round == 1) removing("resource", linked, [&] { house.resources.remove(root, linked); });
      if (round == 1) removing("resource", base, [&] { house.resources.remove(root, base); });
    }
    const auto place = round == 2 ? house.catalogs.create(root, model::kRootGroup, "brief") : catalog;
    const auto machine = house.machines.create(root, machine_with(place, "m" + suffix, {{empty}, {uploaded}})).id;
    made("machine", machine);
    if (round == 0) {  // what stays, though not as it was made
      alter(house, root, machine, empty);
      made("altered", machine);
      keep_and_clone(house, root, acks, machine, catalog);
      continue;
    }
    removing("machine", machine, [&] { round == 1 ? house.machines.remove(root, machine) : house.catalogs.remove(root, place); });
    removing("resource", uploaded, [&] { house.resources.remove(root, uploaded); });
  }
  acks.note("end");
}

struct Promises {
  std::set<std::string> there, gone;
};

Promises read_acks(const char* file) {
  Promises promises;
  std::ifstream lines(file);
  std::string kind, id;
  while (lines >> kind) {
    if (kind == "end" || !(lines >> id)) break;
    const auto key = kind.substr(1) + " " + id;
    if (kind[0] == '+') promises.there.insert(key);
    if (kind[0] == '?') promises.there.erase(key);
    if (kind[0] == '-') promises.gone.insert(key);
  }
  return promises;
}

template <class Map>
std::set<std::string> ready(const Map& map, bool& settled) {
  std::set<std::string> ids;
  map.visit_all([&](const auto& id, const auto& row) {
    if (row->phase == Phase::ready) ids.insert(id.text());
    else settled = false;
  });
  return ids;
}

std::set<std::string> names_in(const std::filesystem::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.is_regular_file()) names.insert(entry.path().stem().string());
  return names;
}

void settle(test::House& house) {
  for (int i = 0; i < 1500; ++i) {
    bool settled = true;
    const auto picture = house.inventory.picture();
    ready(picture->machines, settled);
    ready(picture->resources, settled);
    ready(picture->snapshots, settled);
    picture->machines.visit_all([&](const auto&, const auto& machine) { settled = settled && machine->altering.is_null(); });
    picture->resources.visit_all([&](const auto&, const auto& resource) { settled = settled && resource->altering.is_null(); });
    picture->uploads.visit_all([&](const auto& id, const auto& upload) {
      std::error_code absent;
      if (static_cast<std::int64_t>(std::filesystem::file_size(house.state.incoming() / id.text(), absent)) == upload->length) settled = false;
    });
    if (settled && picture->connected && house.recovery.rounds() > 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

int check(const char* state, const char* acks_file) {
  test::House house(state, "");  // the embedded driver: real domains on disk
  settle(house);
  const auto promises = read_acks(acks_file);
  const auto picture = house.inventory.picture();
  bool settled = true;
  const auto machines = ready(picture->machines, settled);
  const auto resources = ready(picture->resources, settled);
  std::set<std::string> domains, volumes;
  for (const auto& domain : house.host.list()) domains.insert(domain.id.text());
  for (const auto& id : house.volumes.list()) volumes.insert(id.text());
  int wrong = 0;
  const auto expect = [&](bool holds, const std::string& what) {
    if (holds) return;
    std::cout << "wrong: " << what << "\n";
    ++wrong;
  };
  expect(settled, "something is still half-made");
  expect(machines == domains, "the machines of the database are not the domains of the hypervisor");
  expect(resources == volumes, "the resources of the database are not the files of the pool");
  picture->resources.visit_all([&](const auto& id, const auto& resource) {
    const auto size = house.volumes.inspect(service::chain_of(*picture, id)).virtual_size;
    const auto told = resource->spec.at("size_mb").template get<std::int64_t>() << 20;
    // What was uploaded is less than the mebibyte that it counts as, and so is a copy of it.
    expect(size == told || (size < told && told == 1 << 20), "a disk is of another size than the database says: " + resource->label);
    expect(resource->altering.is_null(), "an alteration is still under way");
  });
  const auto snapshots = ready(picture->snapshots, settled);
  for (const auto& name : names_in(house.state.nvram())) expect(machines.count(name) + snapshots.count(name) > 0, "firmware variables without a machine");
  picture->resources.visit_all([&](const auto& id, const auto& resource) {
    if (resource->spec.value("format", "") != "qcow2") return;
    for (const auto& inside : house.volumes.snapshots(id)) expect(snapshots.count(inside.name) > 0, "a disk has a snapshot that nobody knows");
  });
  picture->machines.visit_all([&](const auto& id, const auto& machine) {
    expect(machine->altering.is_null(), "an alteration is still half-done");
    const auto vcpus = ">" + std::to_string(machine->cpu_count) + "</vcpu>";
    expect(machines.count(id.text()) == 0 || house.host.domain_xml(id).find(vcpus) != std::string::npos, "a domain is not what its row says");
    if (promises.there.count("altered " + id.text()) > 0) expect(machine->cpu_count == kAlteredCpus, "an acknowledged alteration is gone");
  });
  for (const auto& promise : promises.there) {
    const auto id = promise.substr(promise.find(' ') + 1);
    expect(machines.count(id) + resources.count(id) > 0, "acknowledged and gone: " + promise);
  }
  for (const auto& promise : promises.gone) {
    const auto id = promise.substr(promise.find(' ') + 1);
    expect(machines.count(id) + resources.count(id) == 0, "removed and still there: " + promise);
  }
  // And it can be lived in: the same things can be made again.
  const auto root = house.caller("root");
  const auto catalog = house.catalogs.create(root, model::kRootGroup, "after");
  house.machines.create(root, machine_with(catalog, "after", {}));
  return wrong == 0 ? 0 : 1;
}

void prepare(const char* state) {
  test::House house(state, "");  // the embedded driver: real domains on disk
  house.accounts.create_root("root-password");
  house.catalogs.create(house.caller("root"), model::kRootGroup, "c");
  house.host.facts();
}

}  // namespace
}  // namespace velocity

int main(int argc, char** argv) {
  try {
    const std::string verb = argc > 2 ? argv[1] : "";
    if (verb == "prepare") return velocity::prepare(argv[2]), 0;
    if (verb == "live" && argc == 4) return velocity::live(argv[2], argv[3]), 0;
    if (verb == "check" && argc == 4) return velocity::check(argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::cout << "failed: " << error.what() << "\n";
    return 2;
  }
  std::cerr << "usage: life prepare STATE | live STATE ACKS | check STATE ACKS\n";
  return 64;
}
