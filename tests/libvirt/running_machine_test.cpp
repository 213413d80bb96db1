// What can be done to a machine while it runs: devices, screens, counters, snapshots with memory.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/libvirt/embedded_fixture.hpp"

namespace velocity::libvirt {
namespace {

using model::ErrorCode;

class RunningMachine : public Embedded {
 protected:
  RunningMachine() { parts_.fragments.push_back({"devices", "<controller type='scsi' model='virtio-scsi'/>", "test"}); }

  std::filesystem::path disk(const std::string& name, const std::string& format = "qcow2") {
    const auto file = directory().path() / (parts_.id.text() + name);
    const std::string command = "qemu-img create -q -f " + format + " " + file.string() + " 1M";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("qemu-img create failed");
    parts_.allowed_files.insert(file);
    return file;
  }
  static std::string xml(const std::filesystem::path& file, const std::string& target, const std::string& bus, const std::string& format = "qcow2") {
    return "<disk type='file'><driver type='" + format + "'/><source file='" + file.string() + "'/><target dev='" + target + "' bus='" + bus + "'/></disk>";
  }
  void add(const std::string& device) { parts_.fragments.push_back({"devices", device, "test"}); }
  void boot() {
    start();
    ASSERT_TRUE(prints("TINY KERNEL UP"));
  }
  std::vector<std::string> targets() {
    std::vector<std::string> names;
    for (const auto& device : host_->devices(parts_.id)) names.push_back(device.target);
    return names;
  }
  int boots() const {
    const std::string log = read_file(parts_.console_log);
    int count = 0;
    for (auto at = log.find("TINY KERNEL UP"); at != std::string::npos; at = log.find("TINY KERNEL UP", at + 1)) ++count;
    return count;
  }
};

TEST_F(RunningMachine, TakesDisksOnEveryBusThatCanBePluggedAndANic) {
  boot();
  for (const std::string bus : {"virtio", "scsi"}) {
    const auto file = disk("disk-" + bus);
    add(xml(file, bus == "virtio" ? "vdx" : "sdx", bus));
    const auto device = device_xml(parts_, parts_.fragments.size() - 1).at(0);
    host_->attach_device(parts_.id, as_hotplugged(device, free_target(host_->devices(parts_.id), bus)));
  }
  host_->attach_device(parts_.id, "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>");
  EXPECT_EQ(targets(), (std::vector<std::string>{"vda", "sda", ""}));
  host_->destroy(parts_.id);
  EXPECT_TRUE(targets().empty()) << "what is plugged in is not the definition's";
}

TEST_F(RunningMachine, HasRoomForSparePortsAndSaysWhenTheyAreUsedUp) {
  add("<controller type='usb' index='0' model='qemu-xhci'/>");  // else libvirt adds one, which takes a port that was spare
  boot();
  int taken = 0;
  ErrorCode refusal = ErrorCode::server_internal;
  for (; taken < 40 && refusal == ErrorCode::server_internal; ++taken) {
    const auto file = disk("spare" + std::to_string(taken), "raw");
    refusal = code_of([&] { host_->attach_device(parts_.id, xml(file, free_target(host_->devices(parts_.id), "virtio"), "virtio", "raw")); });
  }
  EXPECT_GT(taken, 4);
  EXPECT_EQ(refusal, ErrorCode::hypervisor_failed);
}

TEST_F(RunningMachine, ADeviceThatTheGuestDoesNotLetGoStays) {
  add(xml(disk("held"), "vda", "virtio"));
  boot();
  const auto devices = host_->devices(parts_.id);
  ASSERT_EQ(devices.size(), 1U);
  EXPECT_FALSE(host_->detach_device(parts_.id, devices[0], 200ms));
  EXPECT_EQ(targets(), std::vector<std::string>{"vda"});
}

TEST_F(RunningMachine, ADriveGetsAnotherMediumAndNone) {
  const auto first = disk("first.iso", "raw");
  const auto second = disk("second.iso", "raw");
  const std::string drive = "<disk type='file' device='cdrom'><driver type='raw'/><source file='" + first.string() + "'/><target dev='sda' bus='sata'/><readonly/></disk>";
  add(drive);
  boot();
  host_->update_device(parts_.id, with_medium(host_->devices(parts_.id).at(0), xml(second, "sdb", "sata", "raw")));
  EXPECT_EQ(host_->devices(parts_.id).at(0).source, second);
  host_->update_device(parts_.id, with_medium(host_->devices(parts_.id).at(0), {}));
  EXPECT_EQ(host_->devices(parts_.id).at(0).source, "");
  host_->update_device(parts_.id, with_medium(host_->devices(parts_.id).at(0), xml(first, "sdb", "sata", "raw")));
  EXPECT_EQ(host_->devices(parts_.id).at(0).source, first);
}

TEST_F(RunningMachine, ADiskGrows) {
  const auto file = disk("growing", "raw");
  add(xml(file, "vda", "virtio", "raw"));
  boot();
  host_->resize_block(parts_.id, "vda", 4 << 20);
  EXPECT_EQ(std::filesystem::file_size(file), 4U << 20);
}

TEST_F(RunningMachine, IsCountedWithItsDisks) {
  const auto file = disk("counted");
  add(xml(file, "vda", "virtio"));
  boot();
  const auto all = host_->counters();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].id, parts_.id);
  EXPECT_GT(all[0].cpu_ns.value_or(0), 0U);
  EXPECT_EQ(all[0].vcpus, 1U);
  EXPECT_EQ(all[0].memory_kib, 32U << 10);
  ASSERT_EQ(all[0].disks.size(), 1U);
  EXPECT_EQ(all[0].disks[0].source, file);
  EXPECT_TRUE(all[0].disks[0].written_bytes.has_value());
}

TEST_F(RunningMachine, ShowsItsScreenAndNoneThatItHasNot) {
  parts_.displays = true;
  add("<video><model type='vga'/></video>");
  boot();
  const std::string png = host_->screenshot(parts_.id, 0);
  EXPECT_TRUE(png.starts_with("\x89PNG"));
  EXPECT_EQ(code_of([&] { host_->screenshot(parts_.id, 7); }), ErrorCode::hypervisor_wrong_state);
  EXPECT_EQ(host_->state(parts_.id).state, model::MachineState::RUNNING);
}

TEST_F(RunningMachine, GoesBackToASnapshotWithItsMemory) {
  add(xml(disk("kept"), "vda", "virtio"));
  boot();
  const std::string name = "b2f7cb3d-5b3a-4c1e-9f6a-000000000001";
  host_->take_snapshot(parts_.id, name);
  EXPECT_TRUE(host_->has_snapshot(parts_.id, name));
  host_->destroy(parts_.id);
  host_->revert_to_snapshot(parts_.id, name);
  EXPECT_EQ(host_->state(parts_.id).state, MachineState::RUNNING);
  EXPECT_EQ(boots(), 1) << "it went on, and did not boot";
  host_->remove_snapshot(parts_.id, name);
  EXPECT_FALSE(host_->has_snapshot(parts_.id, name));
  EXPECT_NO_THROW(host_->remove_snapshot(parts_.id, name));
}

TEST_F(RunningMachine, CannotBeKeptWithADiskThatHoldsNoSnapshots) {
  add(xml(disk("raw", "raw"), "vda", "virtio", "raw"));
  boot();
  EXPECT_NE(code_of([&] { host_->take_snapshot(parts_.id, "a"); }), ErrorCode::server_internal);
  EXPECT_FALSE(host_->has_snapshot(parts_.id, "a"));
}

}  // namespace
}  // namespace velocity::libvirt
