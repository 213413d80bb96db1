// Machines whose XML stands in golden/: each is compared there, and defined in a real libvirt by the embedded tests.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "framework/libvirt/domain_xml.hpp"

namespace velocity::libvirt {

struct Example {
  std::string name;
  DomainParts parts;
  HostFacts facts;
};

inline std::ostream& operator<<(std::ostream& out, const Example& example) { return out << example.name; }

inline HostFacts tcg_host() { return {"x86_64", "qemu", "tcg", "switched off by a setting", "/usr/bin/qemu-system-x86_64", true}; }

inline HostFacts test_host() { return {"x86_64", "test", "tcg", "the test driver runs no guests", "", false}; }

inline DomainParts plain_machine() {
  DomainParts parts;
  parts.id = *model::MachineId::parse("2de02519-c347-432c-9923-3753c3538e02");
  parts.title = "plain";
  parts.memory_mb = 64;
  parts.console_log = "/state/log/plain.log";
  parts.run_directory = "/state/run";
  parts.fragments = {{"os", "<os><type arch='x86_64' machine='q35'>hvm</type></os>", "test"}};
  return parts;
}

// What an EFI type and a disk type give.
inline DomainParts efi_machine() {
  DomainParts parts = plain_machine();
  parts.title = "Größe & <b>";
  parts.cpu_count = 2;
  parts.memory_mb = 2048;
  parts.displays = true;
  parts.nvram = "/state/nvram/2de02519.fd";
  parts.allowed_files = {"/state/pools/root.qcow2", "/state/pools/install.iso"};
  parts.fragments = {
      {"os",
       "<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
       "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/><bootmenu enable='no'/></os>",
       "efi"},
      {"cpu", "<cpu mode='maximum' migratable='off'/>", "efi"},
      {"features", "<features><acpi/><apic/></features>", "efi"},
      {"clock", "<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='hpet' present='no'/></clock>", "efi"},
      {"devices",
       "<video><model type='virtio' heads='1'><resolution x='1280' y='800'/></model></video>\n  <input type='tablet' bus='usb'/>\n"
       "<input type='keyboard' bus='usb'/>",
       "efi"},
      {"devices",
       "<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='/state/pools/root.qcow2'/>"
       "<backingStore/><target dev='vda' bus='virtio'/><boot order='1'/><serial>root</serial></disk>",
       "disk-image"},
      {"devices",
       "<disk type='file' device='cdrom'><driver type='raw'/><source file='/state/pools/install.iso'/><target dev='sda' bus='sata'/>"
       "<readonly/><boot order='2'/></disk>",
       "disk-image"},
  };
  return parts;
}

// What the type efi gives with Secure Boot, a TPM and cloud-init.
inline DomainParts secure_machine() {
  DomainParts parts = plain_machine();
  parts.memory_mb = 512;
  parts.nvram = "/state/nvram/2de02519.fd";
  parts.allowed_files = {"/state/machines/2de02519/seed.iso"};
  parts.fragments = {
      {"os",
       "<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.ms.fd</loader>"
       "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.ms.fd'/></os>",
       "efi"},
      {"features", "<features><acpi/><apic/><smm state='on'/></features>", "efi"},
      {"devices", "<controller type='scsi' index='0' model='virtio-scsi'/>", "efi"},
      {"devices", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>", "efi"},
      {"devices",
       "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/state/machines/2de02519/seed.iso'/><backingStore/>"
       "<target dev='sdzz' bus='scsi'/><readonly/><address type='drive' controller='0' bus='0' target='1' unit='0'/></disk>",
       "efi"}};
  return parts;
}

// What the type mac gives, and a disk that asks for the first place in the boot order.
inline DomainParts mac_machine() {
  DomainParts parts = plain_machine();
  parts.cpu_count = 4;
  parts.memory_mb = 512;
  parts.displays = true;
  parts.nvram = "/state/nvram/2de02519.fd";
  parts.allowed_files = {"/state/pools/opencore.qcow2", "/state/pools/root.qcow2"};
  parts.allowed_configurations = {"/state/machines/2de02519/smc.cfg"};
  parts.fragments = {
      {"os",
       "<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
       "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/><smbios mode='sysinfo'/></os>",
       "mac"},
      {"features", "<features><acpi/><apic/></features>", "mac"},
      {"cpu",
       "<cpu mode='custom' match='exact' check='none'><model fallback='forbid' vendor_id='GenuineIntel'>Skylake-Client-noTSX-IBRS</model>"
       "<topology sockets='1' dies='1' cores='4' threads='1'/></cpu>",
       "mac"},
      {"sysinfo",
       "<sysinfo type='smbios'><system><entry name='manufacturer'>Apple Inc.</entry><entry name='product'>MacPro7,1</entry></system>"
       "<baseBoard><entry name='manufacturer'>Apple Inc.</entry><entry name='product'>MacPro7,1</entry></baseBoard></sysinfo>",
       "mac"},
      {"extensions", "<appleSmc config='/state/machines/2de02519/smc.cfg'/>", "mac"},
      {"devices",
       "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/state/pools/opencore.qcow2'/><backingStore/>"
       "<target dev='vdzz' bus='virtio'/><readonly/><boot order='1'/></disk>",
       "mac"},
      {"devices", "<controller type='usb' index='0' model='qemu-xhci'/>", "mac"},
      {"devices", "<video><model type='vga' heads='1' primary='yes'><resolution x='1280' y='800'/></model></video>", "mac"},
      {"devices",
       "<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='/state/pools/root.qcow2'/><backingStore/>"
       "<target dev='sda' bus='sata'/><boot order='1'/></disk>",
       "disk-image", true}};
  return parts;
}

inline std::vector<Example> examples() {
  DomainParts kernel = plain_machine();
  kernel.allowed_files = {"/state/pools/vmlinuz", "/state/pools/initrd"};
  kernel.fragments = {
      {"os",
       "<os><type arch='x86_64' machine='q35'>hvm</type><kernel>/state/pools/vmlinuz</kernel><initrd>/state/pools/initrd</initrd>"
       "<cmdline>console=ttyS0 &amp; quiet</cmdline></os>",
       "kboot"}};
  DomainParts sockets = plain_machine();
  sockets.allowed_directories = {"/state/run/a,b"};
  sockets.fragments.push_back({"extensions",
                               "<socketInterface mode='dgram' directory='/state/run/a,b' mac='02:00:00:00:00:01' model='virtio' boot='3'/>"
                               "<socketInterface mode='stream' directory='/state/run/a,b' mac='02:00:00:00:00:02' model='e1000e'/>",
                               "file-handle-nic"});
  DomainParts forwards = plain_machine();
  forwards.fragments.push_back({"extensions",
                                "<userInterface mac='02:00:00:00:00:01' model='virtio' boot='2'>"
                                "<forward protocol='tcp' address='127.0.0.1' port='2222' guestPort='22'/>"
                                "<forward protocol='udp' address='0.0.0.0' port='5353' guestPort='53'/></userInterface>"
                                "<userInterface mac='02:00:00:00:00:02' model='vmxnet3'/>",
                                "user-nic"});
  DomainParts bridged = plain_machine();
  bridged.allowed_interfaces = {"br0", "br1"};
  bridged.fragments.push_back({"devices",
                               "<interface type='user'><mac address='02:00:00:00:00:01'/></interface>"
                               "<interface type='bridge'><mac address='02:00:00:00:00:02'/><model type='virtio'/><source bridge='br0'/></interface>"
                               "<interface type='bridge'><mac address='02:00:00:00:00:03'/><source bridge='br1'/></interface>",
                               "bridged-nic"});
  DomainParts filtered = bridged, pretended = bridged;
  filtered.guarding = Guarding::filter;
  pretended.guarding = Guarding::none;
  HostFacts kvm = tcg_host();
  kvm.domain_type = "kvm";
  kvm.acceleration = "kvm";
  kvm.why_no_kvm.clear();
  return {{"plain", plain_machine(), tcg_host()},
          {"plain_kvm", plain_machine(), kvm},
          {"plain_test_driver", plain_machine(), test_host()},
          {"efi", efi_machine(), tcg_host()},
          {"efi_test_driver", efi_machine(), test_host()},
          {"kernel", kernel, tcg_host()},
          {"sockets", sockets, tcg_host()},
          {"forwards", forwards, tcg_host()},
          {"bridged", bridged, tcg_host()},
          {"bridged_filtered", filtered, tcg_host()},
          {"bridged_test_driver", pretended, test_host()},
          {"sockets_test_driver", sockets, test_host()},
          {"secure", secure_machine(), tcg_host()},
          {"mac", mac_machine(), tcg_host()}};
}

}  // namespace velocity::libvirt
