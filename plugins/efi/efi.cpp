// The VM type efi: a q35 machine that boots UEFI firmware (OVMF), with Secure Boot, a TPM and cloud-init where they are asked for.
#include <unistd.h>

#include <velocity/pc.hpp>

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
using velocity::sdk::Problem;
using velocity::sdk::xml::Element;
namespace pc = velocity::sdk::pc;

constexpr const char* kSeed = "seed.iso";

// Debian's names.
struct Settings {
  pc::Firmware plain{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"};
  pc::Firmware secure{"/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", true};
  std::string swtpm = "/usr/bin/swtpm";
  std::string swtpm_setup = "/usr/bin/swtpm_setup";
};

bool readable(const std::string& file) { return access(file.c_str(), R_OK) == 0; }
bool readable(const pc::Firmware& firmware) { return readable(firmware.code) && readable(firmware.variables); }

bool asked(const Json& spec, const char* field) {
  const auto found = spec.find(field);
  return found != spec.end() && *found == true;
}

// A line of YAML whose value cannot be taken for anything but text.
std::string yaml_line(const std::string& name, const std::string& value) { return name + ": " + Json(value).dump() + "\n"; }

// What DNS allows (RFC 1123), from what people call a machine; empty when nothing is left.
std::string hostname(const std::string& name) {
  std::string host;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) host += c;
    else if (!host.empty() && host.back() != '-') host += '-';
    if (host.size() == 63) break;
  }
  while (!host.empty() && host.back() == '-') host.pop_back();
  return host;
}

class Efi final : public velocity::sdk::VmType {
 public:
  void use(Settings settings) { settings_ = std::move(settings); }

  Description describe() const override {
    Description said;
    said.type = "efi";
    said.title = "EFI machine";
    // Open: what a client says beyond the fields that are known is ignored, see validate().
    said.schema = Json::parse(R"json({
      "$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object",
      "additionalProperties": true,
      "properties": {
        "secure_boot": {
          "type": "boolean",
          "default": false,
          "title": "Secure Boot",
          "description": "the firmware runs only what is signed with Microsoft's keys"
        },
        "tpm": {"type": "boolean", "default": false, "title": "TPM 2.0"},
        "cloud_init": {
          "type": "object",
          "additionalProperties": false,
          "title": "cloud-init",
          "description": "what the guest finds on a CD labelled cidata (NoCloud)",
          "properties": {
            "user_data": {"type": "string", "maxLength": 65536, "title": "User data"},
            "meta_data": {
              "type": "string",
              "maxLength": 65536,
              "title": "Meta data",
              "description": "made from the machine's id and name when it is missing"
            },
            "network_config": {"type": "string", "maxLength": 65536, "title": "Network configuration"}
          }
        }
      }
    })json");
    said.examples = Json::parse(
        R"json([{}, {"secure_boot": true, "tpm": true}, {"cloud_init": {"user_data": "#cloud-config\npackages: [nginx]\n"}}])json");
    said.capabilities = {{"confidential", {"cloud_init"}}};
    return said;
  }

  Availability host_check(const Host& host) const override {
    if (const auto fit = pc::needs_x86_64(host); !fit.available || pc::is_pretended(host)) return fit;
    for (const auto& file : {settings_.plain.code, settings_.plain.variables})
      if (!readable(file)) return {false, "The firmware file " + file + " cannot be read: install OVMF (Debian: ovmf)"};
    return {};
  }

  // A field that is not known is dropped. What this host lacks is said now, not when the machine is started.
  Json validate(const Json& spec) const override {
    std::vector<Problem> problems;
    if (asked(spec, "secure_boot") && !readable(settings_.secure))
      problems.push_back({"/secure_boot", "is not available on this host: it has no firmware with Secure Boot (Debian: ovmf)"});
    if (asked(spec, "tpm") && (access(settings_.swtpm.c_str(), X_OK) != 0 || access(settings_.swtpm_setup.c_str(), X_OK) != 0))
      problems.push_back({"/tpm", "is not available on this host: it has no software TPM (Debian: swtpm, swtpm-tools)"});
    if (!problems.empty()) throw Invalid(std::move(problems));
    Json kept = Json::object();
    for (const auto* field : {"secure_boot", "tpm", "cloud_init"})
      if (const auto found = spec.find(field); found != spec.end()) kept[field] = *found;
    return kept;
  }

  std::vector<Fragment> plan(const PlanRequest& request) const override {
    const bool pretended = pc::is_pretended(request.host);
    const bool secure = asked(request.spec, "secure_boot");
    auto os = pc::os(request.host);
    auto features = pc::features();
    if (!pretended) pc::use_firmware(os, secure ? settings_.secure : settings_.plain);
    if (!pretended && secure) features.child("smm").attribute("state", "on");
    std::vector<Fragment> fragments{{"os", os.str()}, {"features", features.str()}, pc::clock()};
    if (pretended) return fragments;
    fragments.push_back(pc::cpu(request.host));
    pc::append(fragments, pc::controllers());
    pc::append(fragments, pc::screen(request.displays));
    if (asked(request.spec, "tpm")) fragments.push_back(tpm());
    if (request.spec.contains("cloud_init")) fragments.push_back(seed_drive(request.directory));
    return fragments;
  }

  std::vector<File> files(const PlanRequest& request) const override {
    const auto given = request.spec.find("cloud_init");
    if (given == request.spec.end()) return {};
    std::map<std::string, std::string> entries{{"user-data", given->value("user_data", "")},
                                               {"meta-data", given->value("meta_data", generated_meta_data(request))}};
    if (const auto network = given->find("network_config"); network != given->end())
      entries["network-config"] = network->get<std::string>();
    return {File::iso9660(kSeed, "cidata", entries)};
  }

 private:
  // The id changes with the machine, so a clone is a new instance to cloud-init.
  static std::string generated_meta_data(const PlanRequest& request) {
    auto text = yaml_line("instance-id", request.vmid);
    if (const auto host = hostname(request.name); !host.empty()) text += yaml_line("local-hostname", host);
    return text;
  }

  static Fragment tpm() {
    Element tpm("tpm");
    tpm.attribute("model", "tpm-crb").child("backend").attribute("type", "emulator").attribute("version", "2.0");
    return {"devices", tpm.str()};
  }

  // On the SCSI controller, at a target that no disk of the machine's list is given.
  static Fragment seed_drive(const std::string& directory) {
    Element disk("disk");
    disk.attribute("type", "file").attribute("device", "cdrom");
    disk.child("driver").attribute("name", "qemu").attribute("type", "raw");
    disk.child("source").attribute("file", directory + "/" + kSeed);
    disk.child("backingStore");
    disk.child("target").attribute("dev", "sdzz").attribute("bus", "scsi");
    disk.child("readonly");
    auto& address = disk.child("address").attribute("type", "drive").attribute("controller", 0).attribute("bus", 0);
    address.attribute("target", 1).attribute("unit", 0);
    return {"devices", disk.str()};
  }

  Settings settings_;
};

// Settings, all of them paths: firmware_code, firmware_variables, secure_firmware_code, secure_firmware_variables, swtpm, swtpm_setup.
struct EfiPlugin final : velocity::sdk::Plugin {
  EfiPlugin() : efi(add<Efi>()) {}

  void configure(const Call&, const Json& given) override {
    Fields fields(given);
    Settings settings;
    settings.plain.code = pc::absolute_path(fields, "firmware_code", settings.plain.code);
    settings.plain.variables = pc::absolute_path(fields, "firmware_variables", settings.plain.variables);
    settings.secure.code = pc::absolute_path(fields, "secure_firmware_code", settings.secure.code);
    settings.secure.variables = pc::absolute_path(fields, "secure_firmware_variables", settings.secure.variables);
    settings.swtpm = pc::absolute_path(fields, "swtpm", settings.swtpm);
    settings.swtpm_setup = pc::absolute_path(fields, "swtpm_setup", settings.swtpm_setup);
    fields.refuse_others();
    fields.finish();
    efi.use(std::move(settings));
  }

  Efi& efi;
};

}  // namespace

VELOCITY_PLUGIN(EfiPlugin)
