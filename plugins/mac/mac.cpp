// The VM type mac: a q35 machine with what macOS looks for: a system management controller, an Intel processor, and a boot loader
// (OpenCore) that UEFI firmware starts.
#include <unistd.h>

#include <velocity/pc.hpp>

#include "plugins/mac/smc_key.hpp"

namespace {

using velocity::sdk::Availability;
using velocity::sdk::Call;
using velocity::sdk::Description;
using velocity::sdk::Fields;
using velocity::sdk::File;
using velocity::sdk::Fragment;
using velocity::sdk::Host;
using velocity::sdk::Invalid;
using velocity::sdk::Json;
using velocity::sdk::PlanRequest;
using velocity::sdk::Resources;
using velocity::sdk::xml::Element;
namespace pc = velocity::sdk::pc;

constexpr const char* kController = "smc.cfg";
constexpr const char* kDefaultModel = "iMacPro1,1";

struct Settings {
  pc::Firmware firmware{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"};
  velocity::mac::KeySources key;
};

// As Apple writes them: "iMacPro1,1", "MacBookPro16,1".
bool is_model(const std::string& text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto comma = text.find(',');
  const auto number = text.find_first_of("0123456789");
  if (comma == std::string::npos || number == 0 || number >= comma || comma + 1 == text.size()) return false;
  const std::string_view all(text);
  const auto name = all.substr(0, number), generation = all.substr(number, comma - number), variant = all.substr(comma + 1);
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }) &&
         std::all_of(generation.begin(), generation.end(), digit) && std::all_of(variant.begin(), variant.end(), digit);
}

class Mac final : public velocity::sdk::VmType {
 public:
  void use(Settings settings) {
    settings_ = std::move(settings);
    key_ = velocity::mac::find_smc_key(settings_.key);
  }

  Description describe() const override {
    Description said;
    said.type = "mac";
    said.title = "Mac";
    said.schema = Json::parse(R"json({
      "$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object",
      "additionalProperties": false,
      "required": ["bootloader"],
      "properties": {
        "bootloader": {"type": "string", "title": "Boot loader", "description": "STID of an OpenCore image; the guest cannot write to it"},
        "model": {
          "type": "string",
          "maxLength": 32,
          "title": "Model",
          "description": "Apple's identifier of the computer that the guest is to see"
        }
      }
    })json");
    said.schema["properties"]["model"]["default"] = kDefaultModel;
    said.examples = Json::parse(R"json([{"bootloader": "6f1c1b3e-6d3a-4b1e-9a55-0d1f6f0e7c11", "model": "MacPro7,1"}])json");
    said.capabilities = {{"resources", {{"bootloader", {{"kind", "storage"}}}}}};
    return said;
  }

  Availability host_check(const Host& host) const override {
    if (key_.text.empty()) return {false, key_.why_not};
    if (const auto fit = pc::needs_x86_64(host); !fit.available || pc::is_pretended(host)) return fit;
    for (const auto& file : {settings_.firmware.code, settings_.firmware.variables})
      if (access(file.c_str(), R_OK) != 0) return {false, "The firmware file " + file + " cannot be read: install OVMF (Debian: ovmf)"};
    return {};
  }

  Json validate(const Json& spec, const Resources&) const override {
    if (!is_model(spec.value("model", ""))) throw Invalid("/model", "must be an identifier as Apple writes them, for example iMacPro1,1");
    return {{"bootloader", spec.at("bootloader")}, {"model", spec.at("model")}};
  }

  std::vector<Fragment> plan(const PlanRequest& request) const override {
    const bool pretended = pc::is_pretended(request.host);
    auto os = pc::os(request.host);
    if (!pretended) pc::use_firmware(os, settings_.firmware);
    if (!pretended) os.child("smbios").attribute("mode", "sysinfo");
    std::vector<Fragment> fragments{{"os", os.str()}, {"features", pc::features().str()}, pc::clock()};
    if (pretended) return fragments;
    fragments.push_back(processor(request));
    fragments.push_back(identity(request.spec.at("model").get<std::string>()));
    fragments.push_back({"extensions", Element("appleSmc").attribute("config", request.directory + "/" + kController).str()});
    fragments.push_back(boot_drive(request.resources.at("bootloader")));
    pc::append(fragments, pc::controllers());
    pc::append(fragments, pc::screen(request.displays, "vga", 1));
    return fragments;
  }

  std::vector<File> files(const PlanRequest&) const override { return {File::apple_smc(kController, key_.text)}; }

 private:
  // One that macOS knows, whoever made the host's; what the host cannot do is left out when the guest starts. Cores of one socket.
  static Fragment processor(const PlanRequest& request) {
    Element cpu("cpu");
    cpu.attribute("mode", "custom").attribute("match", "exact").attribute("check", "none");
    cpu.child("model").attribute("fallback", "forbid").attribute("vendor_id", "GenuineIntel").text("Skylake-Client-noTSX-IBRS");
    cpu.child("topology").attribute("sockets", 1).attribute("dies", 1).attribute("cores", request.cpu_count).attribute("threads", 1);
    // macOS takes its time from it; the emulator has none, and libvirt starts no guest that demands it there.
    if (request.host.acceleration == "kvm") cpu.child("feature").attribute("policy", "optional").attribute("name", "invtsc");
    return {"cpu", cpu.str()};
  }

  static Fragment identity(const std::string& model) {
    Element sysinfo("sysinfo");
    sysinfo.attribute("type", "smbios");
    for (const auto* part : {"system", "baseBoard"}) {
      auto& entries = sysinfo.child(part);
      entries.child("entry").attribute("name", "manufacturer").text("Apple Inc.");
      entries.child("entry").attribute("name", "product").text(model);
    }
    return {"sysinfo", sysinfo.str()};
  }

  // Before any disk of the machine's list: the server moves their places behind those of a type's own devices.
  static Fragment boot_drive(const velocity::sdk::Resource& image) {
    Element disk("disk");
    disk.attribute("type", "file").attribute("device", "disk");
    disk.child("driver").attribute("name", "qemu").attribute("type", image.spec.value("format", "raw") == "qcow2" ? "qcow2" : "raw");
    disk.child("source").attribute("file", image.path);
    disk.child("backingStore");
    disk.child("target").attribute("dev", "vdzz").attribute("bus", "virtio");
    disk.child("readonly");
    disk.child("boot").attribute("order", 1);
    return {"devices", disk.str()};
  }

  Settings settings_;
  velocity::mac::SmcKey key_;
};

// Settings, all of them paths: firmware_code, firmware_variables, smc_key_file (the key itself is no setting: settings are shown), and, for
// tests, vendor_file and controller_directory, where Linux shows Apple hardware.
struct MacPlugin final : velocity::sdk::Plugin {
  MacPlugin() : mac(add<Mac>()) { mac.use({}); }

  void configure(const Call&, const Json& given) override {
    Fields fields(given);
    Settings settings;
    settings.firmware.code = pc::absolute_path(fields, "firmware_code", settings.firmware.code);
    settings.firmware.variables = pc::absolute_path(fields, "firmware_variables", settings.firmware.variables);
    settings.key.file = pc::absolute_path(fields, "smc_key_file", settings.key.file);
    settings.key.vendor = pc::absolute_path(fields, "vendor_file", settings.key.vendor);
    settings.key.controller = pc::absolute_path(fields, "controller_directory", settings.key.controller);
    fields.refuse_others();
    fields.finish();
    mac.use(std::move(settings));
  }

  Mac& mac;
};

}  // namespace

VELOCITY_PLUGIN(MacPlugin)
