#include "framework/libvirt/fragment_rules.hpp"

namespace velocity::libvirt {

namespace {

// What is not here is refused: whatever names a file, a device, a program, a network or a user of the host must be thought about first.

constexpr FragmentRule kOs[] = {
    {"os", "firmware=efi|bios", ""},
    {"os/type", "arch=@word machine=@word", "hvm"},
    {"os/firmware", "", ""},
    {"os/firmware/feature", "enabled=yes|no name=secure-boot|enrolled-keys", "", true},
    {"os/loader", "readonly=yes secure=yes|no type=pflash|rom stateless=yes|no", "@firmware"},
    {"os/nvram", "template=@firmware", "@nvram"},
    {"os/kernel", "", "@file"},
    {"os/initrd", "", "@file"},
    {"os/cmdline", "", "@text"},
    {"os/boot", "dev=hd|cdrom|network", "", true},
    {"os/smbios", "mode=sysinfo", ""},
    {"os/bootmenu", "enable=yes|no timeout=@number", ""},
    {"os/bios", "useserial=yes|no rebootTimeout=@number", ""},
};

constexpr FragmentRule kCpu[] = {
    {"cpu", "mode=custom|host-model|host-passthrough|maximum match=minimum|exact|strict check=none|partial|full migratable=on|off", ""},
    {"cpu/model", "fallback=allow|forbid vendor_id=@word", "@word"},
    {"cpu/vendor", "", "@word"},
    {"cpu/topology", "sockets=@number dies=@number cores=@number threads=@number", ""},
    {"cpu/feature", "name=@word policy=force|require|optional|disable|forbid", "", true},
    {"cpu/cache", "mode=emulate|passthrough|disable level=@number", ""},
    {"cpu/maxphysaddr", "mode=emulate|passthrough bits=@number", ""},
};

constexpr FragmentRule kFeatures[] = {
    {"features", "", ""},
    {"features/acpi", "", ""},
    {"features/apic", "eoi=on|off", ""},
    {"features/pae", "", ""},
    {"features/hap", "state=on|off", ""},
    {"features/viridian", "", ""},
    {"features/pvspinlock", "state=on|off", ""},
    {"features/pmu", "state=on|off", ""},
    {"features/vmport", "state=on|off", ""},
    {"features/smm", "state=on|off", ""},
    {"features/ioapic", "driver=kvm|qemu", ""},
    {"features/gic", "version=2|3|host", ""},
    {"features/vmcoreinfo", "state=on|off", ""},
    {"features/kvm", "", ""},
    {"features/kvm/hidden", "state=on|off", ""},
    {"features/kvm/poll-control", "state=on|off", ""},
    {"features/hyperv", "mode=custom|passthrough", ""},
    {"features/hyperv/relaxed", "state=on|off", ""},
    {"features/hyperv/vapic", "state=on|off", ""},
    {"features/hyperv/spinlocks", "state=on|off retries=@number", ""},
    {"features/hyperv/vpindex", "state=on|off", ""},
    {"features/hyperv/runtime", "state=on|off", ""},
    {"features/hyperv/synic", "state=on|off", ""},
    {"features/hyperv/stimer", "state=on|off", ""},
    {"features/hyperv/reset", "state=on|off", ""},
    {"features/hyperv/frequencies", "state=on|off", ""},
    {"features/hyperv/reenlightenment", "state=on|off", ""},
    {"features/hyperv/tlbflush", "state=on|off", ""},
    {"features/hyperv/ipi", "state=on|off", ""},
};

constexpr FragmentRule kClock[] = {
    {"clock", "offset=utc|localtime|timezone|variable timezone=@word adjustment=@word basis=utc|localtime", ""},
    {"clock/timer",
     "name=platform|hpet|kvmclock|pit|rtc|tsc|hypervclock|armvtimer tickpolicy=delay|catchup|merge|discard present=yes|no "
     "track=boot|guest|wall frequency=@number mode=auto|native|emulate|paravirt",
     "", true},
};

// What the guest reads of the computer that it runs on.
constexpr FragmentRule kSysinfo[] = {
    {"sysinfo", "type=smbios", ""},
    {"sysinfo/bios", "", ""},
    {"sysinfo/bios/entry", "name=vendor|version|date|release", "@text", true},
    {"sysinfo/system", "", ""},
    {"sysinfo/system/entry", "name=manufacturer|product|version|serial|sku|family", "@text", true},
    {"sysinfo/baseBoard", "", ""},
    {"sysinfo/baseBoard/entry", "name=manufacturer|product|version|serial|asset|location", "@text", true},
};

#define VELOCITY_ADDRESS                                                                                                    \
  "type=pci|drive|usb|virtio-serial|isa|ccw domain=@number bus=@number slot=@number function=@number multifunction=on|off " \
  "controller=@number target=@number unit=@number port=@word"

constexpr FragmentRule kDevices[] = {
    // The only source is a file; a backing chain is never taken from an image.
    {"disk", "type=file device=disk|cdrom snapshot=no|internal|external|manual", ""},
    {"disk/driver",
     "name=qemu type=raw|qcow2 cache=default|none|writethrough|writeback|directsync|unsafe io=threads|native|io_uring "
     "discard=ignore|unmap detect_zeroes=off|on|unmap error_policy=stop|report|ignore|enospace "
     "rerror_policy=stop|report|ignore queues=@number copy_on_read=on|off iommu=on|off ats=on|off packed=on|off",
     ""},
    {"disk/source", "file=@file startupPolicy=mandatory|requisite|optional", ""},
    {"disk/backingStore", "", ""},
    {"disk/target", "dev=@word bus=virtio|sata|scsi|usb|ide|sd removable=on|off tray=open|closed rotation_rate=@number", ""},
    {"disk/readonly", "", ""},
    {"disk/boot", "order=@number", ""},
    {"disk/serial", "", "@word"},
    {"disk/wwn", "", "@word"},
    {"disk/vendor", "", "@text"},
    {"disk/product", "", "@text"},
    {"disk/blockio", "logical_block_size=@number physical_block_size=@number discard_granularity=@number", ""},
    {"disk/geometry", "cyls=@number heads=@number secs=@number trans=none|auto|lba", ""},
    {"disk/iotune", "", ""},
    {"disk/iotune/total_bytes_sec", "", "@number"},
    {"disk/iotune/read_bytes_sec", "", "@number"},
    {"disk/iotune/write_bytes_sec", "", "@number"},
    {"disk/iotune/total_iops_sec", "", "@number"},
    {"disk/iotune/read_iops_sec", "", "@number"},
    {"disk/iotune/write_iops_sec", "", "@number"},
    {"disk/alias", "name=@word", ""},
    {"disk/address", VELOCITY_ADDRESS, ""},

    {"controller", "type=ide|scsi|sata|usb|virtio-serial|pci index=@number model=@word ports=@number vectors=@number", ""},
    {"controller/driver", "queues=@number cmd_per_lun=@number max_sectors=@number iommu=on|off ats=on|off packed=on|off", ""},
    {"controller/model", "name=@word", ""},
    {"controller/target", "chassis=@number chassisNr=@number port=@number index=@number hotplug=on|off", ""},
    {"controller/alias", "name=@word", ""},
    {"controller/address", VELOCITY_ADDRESS, ""},

    // User-space NAT reaches what any program of the host's network reaches, and needs no name of the host's. Which interfaces of the host
    // may be named, the core says; how the guest's device there is called and filtered too.
    {"interface", "type=user|bridge|direct", ""},
    {"interface/source", "bridge=@interface dev=@interface mode=bridge", ""},
    {"interface/mac", "address=@word", ""},
    {"interface/model", "type=@word", ""},
    {"interface/link", "state=up|down", ""},
    {"interface/mtu", "size=@number", ""},
    {"interface/rom", "enabled=yes|no", ""},
    {"interface/boot", "order=@number", ""},
    {"interface/ip", "address=@word family=ipv4|ipv6 prefix=@number", "", true},
    {"interface/alias", "name=@word", ""},
    {"interface/address", VELOCITY_ADDRESS, ""},

    {"video", "", ""},
    {"video/model",
     "type=vga|cirrus|virtio|qxl|bochs|ramfb|none heads=@number primary=yes|no vram=@number vram64=@number ram=@number "
     "vgamem=@number blob=on|off",
     ""},
    {"video/model/resolution", "x=@number y=@number", ""},
    {"video/driver", "name=qemu iommu=on|off ats=on|off packed=on|off", ""},
    {"video/alias", "name=@word", ""},
    {"video/address", VELOCITY_ADDRESS, ""},

    {"input", "type=tablet|mouse|keyboard bus=usb|ps2|virtio model=virtio|virtio-transitional|virtio-non-transitional", ""},
    {"input/alias", "name=@word", ""},
    {"input/address", VELOCITY_ADDRESS, ""},

    {"sound", "model=ac97|ich6|ich7|ich9|usb|es1370|sb16", ""},
    {"sound/codec", "type=duplex|micro|output", ""},
    {"sound/alias", "name=@word", ""},
    {"sound/address", VELOCITY_ADDRESS, ""},
    {"audio", "id=@number type=none", ""},

    {"tpm", "model=tpm-tis|tpm-crb|tpm-spapr", ""},
    {"tpm/backend", "type=emulator version=1.2|2.0 persistent_state=yes|no", ""},
    {"tpm/alias", "name=@word", ""},

    {"watchdog", "model=i6300esb|ib700|itco action=reset|shutdown|poweroff|pause|none|inject-nmi", ""},
    {"watchdog/alias", "name=@word", ""},
    {"watchdog/address", VELOCITY_ADDRESS, ""},

    {"hub", "type=usb", ""},
    {"hub/alias", "name=@word", ""},
    {"hub/address", VELOCITY_ADDRESS, ""},

    {"panic", "model=isa|hyperv|pvpanic", ""},
    {"panic/address", "type=isa iobase=@number", ""},

    {"iommu", "model=intel|virtio|smmuv3", ""},
    {"iommu/driver", "intremap=on|off caching_mode=on|off eim=on|off iotlb=on|off aw_bits=@number", ""},
};

#undef VELOCITY_ADDRESS

// Elements of our own for what libvirt has no word for; extensions.cpp makes QEMU's arguments of them.
constexpr FragmentRule kExtensions[] = {
    // The guest's Ethernet frames on Unix sockets in the resource's directory: QEMU's -netdev dgram or stream.
    {"socketInterface", "mode=dgram|stream directory=@directory mac=@word model=virtio|e1000|e1000e|vmxnet3|rtl8139 boot=@number", ""},
    // User-space NAT as <interface type='user'>, with ports of the host that lead into the guest: -netdev user,hostfwd=…
    {"userInterface", "mac=@word model=virtio|e1000|e1000e|vmxnet3|rtl8139 boot=@number", ""},
    {"userInterface/forward", "protocol=tcp|udp address=@word port=@number guestPort=@number", "", true},
    // Apple's system management controller, with its key in a file of the machine's: QEMU's -readconfig.
    {"appleSmc", "config=@configuration", ""},
};

}  // namespace

std::span<const FragmentRule> fragment_rules(std::string_view section) {
  if (section == "os") return kOs;
  if (section == "cpu") return kCpu;
  if (section == "features") return kFeatures;
  if (section == "clock") return kClock;
  if (section == "sysinfo") return kSysinfo;
  if (section == "devices") return kDevices;
  if (section == "extensions") return kExtensions;
  return {};
}

const FragmentRule* find_rule(std::string_view section, std::string_view path) {
  for (const FragmentRule& rule : fragment_rules(section))
    if (rule.path == path) return &rule;
  return nullptr;
}

std::string_view find_values(const FragmentRule& rule, std::string_view attribute) {
  std::string_view rest = rule.attributes;
  while (!rest.empty()) {
    const auto end = rest.find(' ');
    const std::string_view entry = rest.substr(0, end);
    const auto equals = entry.find('=');
    if (entry.substr(0, equals) == attribute) return entry.substr(equals + 1);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return {};
}

}  // namespace velocity::libvirt
