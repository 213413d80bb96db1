#include "framework/storage/foreign_format.hpp"

#include <algorithm>
#include <array>

namespace velocity::storage {
namespace {

using namespace std::string_view_literals;

struct Mark {
  std::size_t offset;
  std::string_view bytes;
  ForeignFormat format;
};

constexpr ForeignFormat kVmdk{"a VMware disk (VMDK)", "vmdk"};
constexpr ForeignFormat kVhd{"a Virtual PC disk (VHD)", "vpc"};
constexpr ForeignFormat kDmg{"an Apple disk image (DMG)", "dmg"};
constexpr ForeignFormat kParallels{"a Parallels disk", "parallels"};

constexpr std::array kHeaderMarks{
    Mark{0, "QFI\xfb\0\0\0\x01"sv, {"a QEMU image of the old format qcow", "qcow"}},
    Mark{0, "QED\0"sv, {"a QEMU enhanced disk (QED)", "qed"}},
    Mark{0, "KDMV"sv, kVmdk},
    Mark{0, "COWD"sv, kVmdk},
    Mark{0, "# Disk DescriptorFile"sv, kVmdk},
    Mark{0, "vhdxfile"sv, {"a Hyper-V disk (VHDX)", "vhdx"}},
    Mark{0, "conectix"sv, kVhd},
    Mark{0x40, "\x7f\x10\xda\xbe"sv, {"a VirtualBox disk (VDI)", "vdi"}},
    Mark{0, "WithoutFreeSpace"sv, kParallels},
    Mark{0, "WithouFreSpacExt"sv, kParallels},
    Mark{0, "LUKS\xba\xbe"sv, {"a LUKS container", "luks", true}},
    Mark{0, "Bochs Virtual HD Image"sv, {"a Bochs disk", "bochs"}},
    Mark{0, "#!/bin/sh\n#V2.0 Format\n"sv, {"a compressed loop image (cloop)", "cloop"}},
    Mark{0, "sprs"sv, {"an Apple sparse image", ""}},
    Mark{0, "shdw"sv, {"an Apple sparse image", ""}},
};

// A VMDK descriptor is text, and may begin with comments and empty lines before its version (as QEMU's own probe has it).
bool is_vmdk_descriptor(Bytes header) {
  std::string_view text(reinterpret_cast<const char*>(header.data()), std::min<std::size_t>(header.size(), 4096));
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos || line[start] == '#') continue;
    return line.substr(start).starts_with("version=") && line.size() > start + 8 && line[start + 8] >= '1' && line[start + 8] <= '3';
  }
  return false;
}

}  // namespace

std::optional<ForeignFormat> find_foreign_format(Bytes header, Bytes tail) {
  for (const auto& mark : kHeaderMarks)
    if (has(header, mark.offset, mark.bytes)) return mark.format;
  if (is_vmdk_descriptor(header)) return kVmdk;
  if (tail.size() < kTailBytes) return std::nullopt;
  // A fixed VHD is raw data with a footer of 512 bytes, of 511 from old Virtual PCs.
  if (has(tail, 0, "conectix"sv) || has(tail, 1, "conectix"sv)) return kVhd;
  if (has(tail, 0, "koly"sv)) return kDmg;
  return std::nullopt;
}

}  // namespace velocity::storage
