#include "framework/libvirt/devices.hpp"

#include <gtest/gtest.h>

#include "tests/libvirt/example_machines.hpp"
#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

using model::ErrorCode;

TEST(Devices, AreTheDisksAndNicsOfADomain) {
  const auto devices = devices_in(
      "<domain><devices><emulator>x</emulator><disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/></disk>"
      "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
      "<interface type='user'><mac address='52:54:00:AB:cd:01'/><target dev='vnet0'/></interface></devices></domain>");
  ASSERT_EQ(devices.size(), 3U);
  EXPECT_EQ(devices[0].source, "/a");
  EXPECT_FALSE(devices[0].removable);
  EXPECT_TRUE(devices[1].removable);
  EXPECT_TRUE(devices[1].source.empty());
  EXPECT_EQ(devices[2].kind, Device::Kind::nic);
  EXPECT_EQ(devices[2].mac, "52:54:00:ab:cd:01");
  EXPECT_EQ(devices[2].target, "vnet0");
  EXPECT_EQ(code_of([] { devices_in("<domain"); }), ErrorCode::hypervisor_failed);
}

TEST(Devices, ADeviceOfAFragmentIsTheSameAsInTheWholeDomain) {
  const DomainParts parts = efi_machine();
  const auto whole = devices_in(domain_xml(parts, tcg_host()));
  ASSERT_EQ(whole.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto single = device_xml(parts, parts.fragments.size() - 2 + i);
    ASSERT_EQ(single.size(), 1U);
    EXPECT_EQ(single[0], whole[i].xml);
  }
}

TEST(Devices, ADeviceThatTheWholeDomainWouldNotHaveIsRefusedAlone) {
  DomainParts parts = efi_machine();
  parts.fragments.push_back({"devices", "<disk type='file'><driver type='raw'/><source file='/etc/passwd'/><target dev='vdz' bus='virtio'/></disk>", "bad"});
  EXPECT_EQ(code_of([&] { device_xml(parts, parts.fragments.size() - 1); }), ErrorCode::plugin_failed);
}

TEST(Devices, AHotpluggedDiskHasItsOwnTargetAndNoPlaceInTheBootOrder) {
  const std::string xml = as_hotplugged("<disk><source file='/a'/><target dev='vda' bus='virtio'/><boot order='1'/></disk>", "vdc");
  EXPECT_NE(xml.find("dev=\"vdc\""), std::string::npos) << xml;
  EXPECT_EQ(xml.find("boot"), std::string::npos) << xml;
  EXPECT_EQ(bus_of(xml), "virtio");
  EXPECT_EQ(bus_of("<interface/>"), "");
}

TEST(Devices, AFreeTargetIsTheFirstThatNobodyHas) {
  std::vector<Device> devices(3);
  devices[0].target = "vda";
  devices[1].target = "vdc";
  devices[2].target = "sda";
  EXPECT_EQ(free_target(devices, "virtio"), "vdb");
  EXPECT_EQ(free_target(devices, "scsi"), "sdb");
  for (char letter = 'a'; letter <= 'z'; ++letter) devices.emplace_back().target = std::string("vd") + letter;
  EXPECT_EQ(free_target(devices, "virtio"), "vdaa");
}

TEST(Devices, AMediumIsPutInAndTakenOutWhileTheDriveStays) {
  const Device drive = devices_in("<domain><devices><disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/old.iso'/>"
                                  "<target dev='sda' bus='sata'/><readonly/></disk></devices></domain>")
                           .at(0);
  const auto inside = [](const std::string& disk) { return devices_in("<domain><devices>" + disk + "</devices></domain>").at(0); };
  const Device changed = inside(with_medium(drive, "<disk><driver name='qemu' type='raw'/><source file='/new.iso'/><target dev='sdb'/></disk>"));
  EXPECT_EQ(changed.source, "/new.iso");
  EXPECT_EQ(changed.target, "sda");
  const std::string block = with_medium(drive, "<disk type='block'><driver name='qemu' type='raw'/><source dev='/dev/group/iso'/><target dev='sdb'/></disk>");
  EXPECT_EQ(inside(block).source, "/dev/group/iso");
  EXPECT_NE(block.find("<disk type=\"block\""), std::string::npos) << block;
  EXPECT_TRUE(inside(with_medium(drive, "")).source.empty());
}

TEST(Devices, ADomainSaysHowItBoots) {
  const std::string efi = domain_xml(efi_machine(), tcg_host());
  EXPECT_TRUE(keeps_variables(efi));
  EXPECT_FALSE(boots_a_kernel(efi));
  for (const Example& example : examples()) {
    if (example.name != "kernel") continue;
    EXPECT_TRUE(boots_a_kernel(domain_xml(example.parts, example.facts)));
    EXPECT_FALSE(keeps_variables(domain_xml(example.parts, example.facts)));
  }
}

}  // namespace
}  // namespace velocity::libvirt
