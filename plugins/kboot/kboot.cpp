// The VM type kboot: a q35 machine whose kernel, initial RAM disk and command line are given directly, with no boot loader and no firmware
// of the guest's choosing.
#include <velocity/pc.hpp>

#include <cstdint>

namespace {

using velocity::sdk::Availability;
using velocity::sdk::Description;
using velocity::sdk::Fragment;
using velocity::sdk::Host;
using velocity::sdk::Invalid;
using velocity::sdk::Json;
using velocity::sdk::PlanRequest;
using velocity::sdk::Problem;
using velocity::sdk::Resource;
using velocity::sdk::Resources;
namespace pc = velocity::sdk::pc;

// Linux takes no longer one on x86 (COMMAND_LINE_SIZE).
constexpr std::size_t kLongestCommandLine = 2047;

std::uint32_t little_endian(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < size && at + i < bytes.size(); ++i)
    number |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return number;
}

// Documentation/arch/x86/boot.rst: the boot sector's mark, then the header's.
bool is_bzimage(std::string_view head) {
  return little_endian(head, 0x1fe, 2) == 0xaa55 && head.size() > 0x206 && head.substr(0x202, 4) == "HdrS";
}

// An executable for 386 or x86_64, little endian: vmlinux with a PVH entry, or a multiboot kernel. Where it begins is in notes further on.
bool is_x86_elf(std::string_view head) {
  constexpr std::string_view kMagic("\x7f\x45\x4c\x46");
  if (!head.starts_with(kMagic) || head.size() < 20 || head[5] != 1) return false;
  const auto type = little_endian(head, 16, 2), machine = little_endian(head, 18, 2);
  return (type == 2 || type == 3) && (machine == 3 || machine == 62);
}

// Multiboot 1, 3.1.1: aligned to four bytes, magic, flags and checksum add up to nothing. (The standard looks at 8 KiB; here are 4.)
bool is_multiboot(std::string_view head) {
  for (std::size_t at = 0; at + 12 <= head.size(); at += 4)
    if (little_endian(head, at, 4) == 0x1badb002 &&
        static_cast<std::uint32_t>(0x1badb002 + little_endian(head, at + 4, 4) + little_endian(head, at + 8, 4)) == 0)
      return true;
  return false;
}

// Why the machine cannot boot it; empty when it can.
std::string why_no_kernel(const Resource& image) {
  const auto format = image.spec.value("format", "raw");
  if (format != "raw") return "must be an image of the format raw, not " + format + ": a kernel is read as it is";
  if (is_bzimage(image.head) || is_x86_elf(image.head) || is_multiboot(image.head)) return {};
  const std::string wanted = "must be a Linux kernel (bzImage, vmlinux) or a multiboot kernel";
  return image.head.starts_with("MZ") ? wanted + ": this is an EFI program, which the type efi boots from a disk" : wanted;
}

std::string why_no_command_line(const std::string& text) {
  if (text.size() > kLongestCommandLine) return "must have at most " + std::to_string(kLongestCommandLine) + " bytes";
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "must have no control characters";
  return {};
}

class Kboot final : public velocity::sdk::VmType {
 public:
  Description describe() const override {
    Description said;
    said.type = "kboot";
    said.title = "Machine that boots a kernel directly";
    said.schema = Json::parse(R"json({
      "$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object",
      "additionalProperties": false,
      "required": ["kernel"],
      "properties": {
        "kernel": {
          "type": "string",
          "title": "Kernel",
          "description": "STID of a raw image that is a bzImage, vmlinux or multiboot kernel"
        },
        "initrd": {"type": "string", "title": "Initial RAM disk", "description": "STID of a raw image"},
        "cmdline": {"type": "string", "default": "", "maxLength": 2047, "title": "Command line"}
      }
    })json");
    said.examples = Json::array({{{"kernel", "6f1c1b3e-6d3a-4b1e-9a55-0d1f6f0e7c11"},
                                  {"initrd", "c4a1d5fa-6b7c-4f0f-8f1c-2b8f4f2f3a10"},
                                  {"cmdline", "console=ttyS0"}}});
    said.capabilities = {{"resources", {{"kernel", {{"kind", "storage"}}}, {"initrd", {{"kind", "storage"}}}}}};
    return said;
  }

  Availability host_check(const Host& host) const override { return pc::needs_x86_64(host); }

  Json validate(const Json& spec, const Resources& resources) const override {
    std::vector<Problem> problems;
    const auto note = [&](const char* path, std::string why) {
      if (!why.empty()) problems.push_back({path, std::move(why)});
    };
    if (const auto kernel = resources.find("kernel"); kernel != resources.end()) note("/kernel", why_no_kernel(kernel->second));
    if (const auto initrd = resources.find("initrd"); initrd != resources.end())
      if (const auto format = initrd->second.spec.value("format", "raw"); format != "raw")
        note("/initrd", "must be an image of the format raw, not " + format + ": it is read as it is");
    note("/cmdline", why_no_command_line(spec.value("cmdline", "")));
    if (!problems.empty()) throw Invalid(std::move(problems));
    Json kept = Json::object();
    for (const auto* field : {"kernel", "initrd", "cmdline"})
      if (const auto found = spec.find(field); found != spec.end()) kept[field] = *found;
    return kept;
  }

  std::vector<Fragment> plan(const PlanRequest& request) const override {
    auto os = pc::os(request.host);
    os.child("kernel").text(request.resources.at("kernel").path);
    if (const auto initrd = request.resources.find("initrd"); initrd != request.resources.end())
      os.child("initrd").text(initrd->second.path);
    if (const auto cmdline = request.spec.value("cmdline", ""); !cmdline.empty()) os.child("cmdline").text(cmdline);
    std::vector<Fragment> fragments{{"os", os.str()}, {"features", pc::features().str()}, pc::clock()};
    if (pc::is_pretended(request.host)) return fragments;
    fragments.push_back(pc::cpu(request.host));
    pc::append(fragments, pc::controllers());
    pc::append(fragments, pc::screen(request.displays));
    return fragments;
  }
};

struct KbootPlugin final : velocity::sdk::Plugin {
  KbootPlugin() { add<Kboot>(); }
};

}  // namespace

VELOCITY_PLUGIN(KbootPlugin)
