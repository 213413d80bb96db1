#include <gtest/gtest.h>

#include "tests/libvirt/example_machines.hpp"
#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

struct Refusal {
  std::string name;  // of the test
  std::string section;
  std::string xml;
  std::string names;  // what the message must name
};

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) { return out << refusal.name; }

std::string disk(const std::string& inner, const std::string& attributes = "type='file' device='disk'") {
  return "<disk " + attributes + "><driver name='qemu' type='raw'/><target dev='vda' bus='virtio'/>" + inner + "</disk>";
}

const std::string kGood = "<source file='/pools/good.img'/>";

const Refusal kRefusals[] = {
  // Other files of the host.
  {"AForeignFile", "devices", disk("<source file='/etc/shadow'/>"), "devices/disk/source/@file"},
  {"AFileByALongWay", "devices", disk("<source file='/pools/../etc/shadow'/>"), "devices/disk/source/@file"},
  {"AFileByAnotherSpelling", "devices", disk("<source file='/pools//good.img'/>"), "devices/disk/source/@file"},
  {"ARelativeFile", "devices", disk("<source file='good.img'/>"), "devices/disk/source/@file"},
  {"AJsonFileName", "devices", disk("<source file='json:{}'/>"), "devices/disk/source/@file"},
  {"AKernelOfTheHost", "os", "<os><type>hvm</type><kernel>/boot/vmlinuz</kernel></os>", "os/kernel"},
  {"AnInitrdOfTheHost", "os", "<os><type>hvm</type><initrd>/etc/shadow</initrd></os>", "os/initrd"},
  {"ALoaderThatIsNoFirmware", "os", "<os><type>hvm</type><loader readonly='yes' type='pflash'>/etc/shadow</loader></os>", "os/loader"},
  {"ALoaderOutOfTheFirmware", "os", "<os><type>hvm</type><loader readonly='yes'>/usr/share/OVMF/../../../etc/shadow</loader></os>",
   "os/loader"},
  {"AWritableLoader", "os", "<os><type>hvm</type><loader readonly='no'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader></os>",
   "os/loader/@readonly"},
  {"ALoaderThatDoesNotSayReadOnly", "os", "<os><type>hvm</type><loader type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader></os>",
   "os/loader/@readonly"},
  {"AnotherMachinesNvram", "os", "<os><type>hvm</type><nvram>/state/nvram/other.fd</nvram></os>", "os/nvram"},
  {"ATemplateThatIsNoFirmware", "os", "<os><type>hvm</type><nvram template='/etc/shadow'/></os>", "os/nvram/@template"},
  {"ADeviceTree", "os", "<os><type>hvm</type><dtb>/etc/shadow</dtb></os>", "os/dtb"},
  {"AnAcpiTable", "os", "<os><type>hvm</type><acpi><table type='slic'>/etc/shadow</table></acpi></os>", "os/acpi"},
  {"ABackingFile", "devices", disk(kGood + "<backingStore type='file'><format type='raw'/><source file='/etc/shadow'/></backingStore>"),
   "devices/disk/backingStore/@type"},
  {"ABackingFileWithoutAType", "devices", disk(kGood + "<backingStore><source file='/etc/shadow'/></backingStore>"),
   "devices/disk/backingStore/source"},
  {"AMirror", "devices", disk(kGood + "<mirror type='file' file='/etc/shadow'/>"), "devices/disk/mirror"},
  {"ASecondSource", "devices", disk(kGood + kGood), "devices/disk/source"},
  {"AForeignDirectory", "extensions", "<socketInterface mode='dgram' directory='/tmp' mac='02:00:00:00:00:01' model='virtio'/>",
   "extensions/socketInterface/@directory"},
  {"AnImageAsQemusConfiguration", "extensions", "<appleSmc config='/pools/good.img'/>", "extensions/appleSmc/@config"},
  {"AForeignConfigurationOfQemu", "extensions", "<appleSmc config='/etc/passwd'/>", "extensions/appleSmc/@config"},
  {"AKeyInTheOpen", "extensions", "<appleSmc key='x'/>", "extensions/appleSmc/@key"},
  {"AFirmwareSettingOfTheHost", "sysinfo", "<sysinfo type='fwcfg'><entry name='opt/x' file='/etc/shadow'/></sysinfo>", "sysinfo/@type"},
  {"AFileInTheComputersDescription", "sysinfo", "<sysinfo type='smbios'><system><entry name='product' file='/etc/shadow'>x</entry></system></sysinfo>",
   "sysinfo/system/entry/@file"},
  {"AnArgumentOfQemu", "extensions", "<socketInterface mode='dgram,id=x' mac='02:00:00:00:00:01'/>", "extensions/socketInterface/@mode"},
  {"AnExtensionThatIsNone", "extensions", "<commandline><arg value='-S'/></commandline>", "extensions/commandline"},
  // Devices of the host.
  {"ABlockDevice", "devices", disk("<source dev='/dev/sda'/>", "type='block' device='disk'"), "devices/disk/@type"},
  {"ABlockDeviceUnderTheFileType", "devices", disk("<source dev='/dev/sda'/>"), "devices/disk/source/@dev"},
  {"ANetworkDisk", "devices", disk("", "type='network' device='disk'"), "devices/disk/@type"},
  {"ADirectory", "devices", disk("", "type='dir' device='disk'"), "devices/disk/@type"},
  {"ALun", "devices", disk(kGood, "type='file' device='lun'"), "devices/disk/@device"},
  {"AHostDevice", "devices", "<hostdev mode='subsystem' type='pci'/>", "devices/hostdev"},
  {"AHostDirectory", "devices", "<filesystem type='mount'><source dir='/'/><target dir='x'/></filesystem>", "devices/filesystem"},
  {"AnInputDeviceOfTheHost", "devices", "<input type='evdev'><source dev='/dev/input/event0'/></input>", "devices/input/@type"},
  {"ATpmOfTheHost", "devices", "<tpm model='tpm-tis'><backend type='passthrough'/></tpm>", "devices/tpm/backend/@type"},
  {"ARenderNode", "devices", "<video><model type='virtio'><acceleration rendernode='/dev/dri/card0'/></model></video>",
   "devices/video/model/acceleration"},
  {"AudioOfTheHost", "devices", "<audio id='1' type='file' path='/etc/x'/>", "devices/audio/@type"},
  {"SharedMemory", "devices", "<shmem name='x'/>", "devices/shmem"},
  // Programs and options of the emulator.
  {"AnEmulator", "devices", "<emulator>/bin/sh</emulator>", "devices/emulator"},
  {"AQemuCommandLine", "devices",
   "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-S'/></qemu:commandline>",
   "devices/qemu:commandline"},
  {"AnInterfaceScript", "devices", "<interface type='user'><script path='/bin/sh'/></interface>", "devices/interface/script"},
  {"AnInterfaceBackend", "devices", "<interface type='user'><backend type='passt' logFile='/etc/x'/></interface>",
   "devices/interface/backend"},
  // The host's network.
  {"AForeignBridge", "devices", "<interface type='bridge'><mac address='02:00:00:00:00:01'/><source bridge='br1'/></interface>",
   "devices/interface/source/@bridge"},
  {"AForeignInterface", "devices", "<interface type='direct'><mac address='02:00:00:00:00:01'/><source dev='eth0' mode='bridge'/></interface>",
   "devices/interface/source/@dev"},
  {"AnInterfaceTakenWhole", "devices", "<interface type='direct'><mac address='02:00:00:00:00:01'/><source dev='br0' mode='passthrough'/></interface>",
   "devices/interface/source/@mode"},
  {"ADirectInterfaceWithoutAMode", "devices", "<interface type='direct'><mac address='02:00:00:00:00:01'/><source dev='br0'/></interface>",
   "devices/interface/source"},
  {"ABridgeOfNothing", "devices", "<interface type='bridge'><mac address='02:00:00:00:00:01'/></interface>", "devices/interface/source"},
  {"ABridgeThatIsTwo", "devices", "<interface type='bridge'><mac address='02:00:00:00:00:01'/><source bridge='br0' dev='br0'/></interface>",
   "devices/interface/source"},
  {"ASourceOfUserSpace", "devices", "<interface type='user'><source bridge='br0'/></interface>", "devices/interface/source"},
  {"ABridgedNicWithoutAnAddress", "devices", "<interface type='bridge'><source bridge='br0'/></interface>", "devices/interface/mac"},
  {"ADeviceNameOfItsOwn", "devices", "<interface type='bridge'><mac address='02:00:00:00:00:01'/><source bridge='br0'/><target dev='eth9'/></interface>",
   "devices/interface/target"},
  {"ANetworkOfLibvirts", "devices", "<interface type='network'><source network='default'/></interface>", "devices/interface/@type"},
  {"AFilterOfItsOwn", "devices", "<interface type='user'><filterref filter='allow-all'/></interface>", "devices/interface/filterref"},
  {"AForwardThatIsMore", "extensions", "<userInterface mac='02:00:00:00:00:01' model='virtio'><forward protocol='tcp' address='127.0.0.1' port='1,guestfwd=x' guestPort='1'/></userInterface>",
   "extensions/userInterface/forward/@port"},
  {"AForwardOfAnAddressThatIsMore", "extensions", "<userInterface mac='02:00:00:00:00:01' model='virtio'><forward protocol='tcp' address='1.2.3.4,x=y' port='1' guestPort='1'/></userInterface>",
   "extensions/userInterface/forward/@address"},
  {"AGraphicsListener", "devices", "<graphics type='vnc' port='5900' listen='0.0.0.0'/>", "devices/graphics"},
  // What the core owns.
  {"ASecurityLabel", "devices", disk(kGood + "<seclabel relabel='no'/>"), "devices/disk/seclabel"},
  {"ASecurityLabelOfTheSource", "devices", disk("<source file='/pools/good.img'><seclabel model='dac' relabel='no'/></source>"),
   "devices/disk/source/seclabel"},
  {"ADomainsSecurityLabel", "seclabel", "<seclabel type='none'/>", "seclabel"},
  {"AName", "name", "<name>x</name>", "name"},
  {"Metadata", "metadata", "<metadata/>", "metadata"},
  {"AMemoryBacking", "memoryBacking", "<memoryBacking><source type='file'/></memoryBacking>", "memoryBacking"},
  {"ASerialPort", "devices", "<serial type='file'><source path='/etc/x'/></serial>", "devices/serial"},
  {"AConsole", "devices", "<console type='pty'/>", "devices/console"},
  {"AChannel", "devices", "<channel type='unix'><source mode='bind' path='/etc/x'/></channel>", "devices/channel"},
  {"ARandomSource", "devices", "<rng model='virtio'><backend model='random'>/dev/sda</backend></rng>", "devices/rng"},
  {"ANamespaceOfItsOwn", "features", "<features xmlns:q='urn:q'><acpi/></features>", "features/@xmlns:q"},
  {"ADefaultNamespace", "cpu", "<cpu xmlns='urn:q'/>", "cpu/@xmlns"},
  // Disks that leave something open.
  {"ADiskWithoutAFormat", "devices", "<disk type='file'><driver name='qemu'/>" + kGood + "</disk>", "devices/disk/driver/@type"},
  {"ADiskWithoutADriver", "devices", "<disk type='file'>" + kGood + "</disk>", "devices/disk/driver/@type"},
  {"AFormatThatFollowsLinks", "devices", "<disk type='file'><driver type='vmdk'/>" + kGood + "</disk>", "devices/disk/driver/@type"},
  {"TwoDrivers", "devices", "<disk type='file'><driver type='raw'/><driver type='qcow2'/>" + kGood + "</disk>", "devices/disk/driver"},
  {"ABootOrderGivenTwice", "devices", disk(kGood + "<boot order='1'/>") + disk(kGood + "<boot order='1'/>"),
   "devices/disk/boot/@order"},
  // XML as such.
  {"AnotherElementThanTheSections", "os", "<devices><emulator>/bin/sh</emulator></devices>", "devices"},
  {"ASectionGivenTwice", "os", "<os><type>hvm</type></os><os><type>hvm</type></os>", "os"},
  {"AnElementThatClosesItsParent", "features", "</domain><domain><features/>", "features"},
  {"AnUnfinishedElement", "features", "<features><acpi>", "features"},
  {"NothingAtAll", "features", "", "features"},
  {"OnlyText", "features", "acpi", "features"},
  {"TextWhereNoneBelongs", "features", "<features>acpi</features>", "features"},
  {"ADocumentType", "features", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/shadow'>]><features/>", "features"},
  {"AProcessingInstruction", "features", "<features><?php x?></features>", "features"},
  {"AnAttributeGivenTwice", "devices", "<hub type='usb' type='usb'/>", "devices/hub/@type"},
  {"AControlCharacter", "os", "<os><type>hvm</type><cmdline>a&#27;b</cmdline></os>", "os/cmdline"},
  {"TextInPieces", "os", "<os><type>hvm</type><cmdline>a<!-- -->b<![CDATA[c]]></cmdline></os>", "os/cmdline"},
  {"MarkupInAValue", "devices", "<sound model='ich9&quot;/>&lt;emulator>'/>", "devices/sound/@model"},
  {"AWordThatIsNone", "os", "<os><type machine='q35,accel=kvm'>hvm</type></os>", "os/type/@machine"},
  {"ANumberThatIsNone", "devices", "<video><model type='vga' heads='-1'/></video>", "devices/video/model/@heads"},
  {"AnythingVeryLong", "features", "<features>" + std::string(100'000, ' ') + "</features>", "features"},
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, NamesThePluginAndThePlace) {
  DomainParts parts = plain_machine();
  parts.allowed_files = {"/pools/good.img"};
  parts.allowed_interfaces = {"br0"};
  parts.nvram = "/state/nvram/own.fd";
  if (GetParam().section == "os") parts.fragments.clear();
  parts.fragments.push_back({GetParam().section, GetParam().xml, "culprit"});
  try {
    domain_xml(parts, tcg_host());
    FAIL() << "was allowed";
  } catch (const model::Error& error) {
    EXPECT_EQ(error.code(), model::ErrorCode::plugin_failed);
    EXPECT_NE(error.message().find("culprit"), std::string::npos) << error.message();
    EXPECT_TRUE(error.message().ends_with(": " + GetParam().names)) << error.message() << " (" << error.detail() << ")";
  }
}

INSTANTIATE_TEST_SUITE_P(Fragments, Refused, testing::ValuesIn(kRefusals), [](const auto& info) { return info.param.name; });

TEST(RefusedMachine, AMachineWithoutASectionForBooting) {
  DomainParts parts = plain_machine();
  parts.fragments.clear();
  EXPECT_EQ(code_of([&] { domain_xml(parts, tcg_host()); }), model::ErrorCode::plugin_failed);
}

TEST(RefusedMachine, NvramForAMachineThatHasNoPlaceForIt) {
  DomainParts parts = plain_machine();
  parts.fragments = {{"os", "<os><type>hvm</type><nvram/></os>", "culprit"}};
  EXPECT_EQ(code_of([&] { domain_xml(parts, tcg_host()); }), model::ErrorCode::plugin_failed);
}

TEST(RefusedMachine, AMacvtapOnALibvirtdWhichCouldNotGuardIt) {
  DomainParts parts = plain_machine();
  parts.allowed_interfaces = {"eth0"};
  parts.fragments.push_back({"devices", "<interface type='direct'><mac address='02:00:00:00:00:01'/><source dev='eth0' mode='bridge'/></interface>", "bridged"});
  parts.guarding = Guarding::filter;
  EXPECT_EQ(code_of([&] { domain_xml(parts, tcg_host()); }), model::ErrorCode::type_unavailable);
}

TEST(RefusedMachine, ABootOrderThatTwoPluginsClaim) {
  DomainParts parts = plain_machine();
  parts.allowed_files = {"/pools/good.img"};
  parts.fragments.push_back({"devices", disk(kGood + "<boot order='1'/>"), "first"});
  parts.fragments.push_back({"devices", "<interface type='user'><boot order='1'/></interface>", "second"});
  try {
    domain_xml(parts, tcg_host());
    FAIL() << "was allowed";
  } catch (const model::Error& error) {
    EXPECT_NE(error.message().find("second"), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace velocity::libvirt
