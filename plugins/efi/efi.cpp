// The VM type efi: a q35 machine that boots UEFI firmware (OVMF).
#include <unistd.h>

#include <velocity/plugin.hpp>
#include <velocity/xml.hpp>

namespace {

using velocity::sdk::Availability;
using velocity::sdk::Call;
using velocity::sdk::Description;
using velocity::sdk::Display;
using velocity::sdk::Fields;
using velocity::sdk::Fragment;
using velocity::sdk::Host;
using velocity::sdk::Invalid;
using velocity::sdk::Json;
using velocity::sdk::PlanRequest;
using velocity::sdk::Problem;
using velocity::sdk::xml::Element;

constexpr std::size_t kMaxHeads = 16;  // of QEMU's virtio graphics

// Debian's OVMF without Secure Boot. The template holds the variables that a new machine starts with.
struct Firmware {
  std::string code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
  std::string variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
};

class Efi final : public velocity::sdk::VmType {
 public:
  void use(Firmware firmware) { firmware_ = std::move(firmware); }

  Description describe() const override {
    Description said;
    said.type = "efi";
    said.title = "EFI machine";
    // Open: what a client says beyond the fields that are known is ignored, see validate().
    said.schema = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"type", "object"}, {"properties", Json::object()}, {"additionalProperties", true}};
    said.examples = Json::array({Json::object()});
    return said;
  }

  Availability host_check(const Host& host) const override {
    if (host.domain_type == "test") return {};  // has neither firmware nor processor
    if (host.arch != "x86_64") return {false, "EFI machines need an x86_64 host, this one is " + host.arch};
    for (const auto& file : {firmware_.code, firmware_.variables})
      if (access(file.c_str(), R_OK) != 0) return {false, "The firmware file " + file + " cannot be read: install OVMF (Debian: ovmf)"};
    return {};
  }

  // It has no fields of its own yet. What is asked for and would matter is refused, not forgotten; anything else is ignored.
  Json validate(const Json& spec) const override {
    std::vector<Problem> problems;
    for (const auto* field : {"secure_boot", "tpm", "cloud_init"})
      if (const auto asked = spec.find(field); asked != spec.end() && !asked->is_null() && *asked != false)
        problems.push_back({std::string("/") + field, "is not available yet: leave it out"});
    if (!problems.empty()) throw Invalid(std::move(problems));
    return Json::object();
  }

  std::vector<Fragment> plan(const PlanRequest& request) const override {
    const bool pretended = request.host.domain_type == "test";
    std::vector<Fragment> fragments{{"os", os(pretended)}, {"features", features()}, {"clock", clock()}};
    if (pretended) return fragments;
    fragments.push_back({"cpu", cpu(request.host)});
    // By themselves both would be of models that today's guests have no drivers for, or that cost them idle time.
    fragments.push_back(controller("usb", "qemu-xhci"));
    fragments.push_back(controller("scsi", "virtio-scsi"));
    if (!request.displays.empty()) add_screen(request.displays, fragments);
    return fragments;
  }

 private:
  // The server puts the path of the machine's own variables into <nvram>.
  std::string os(bool pretended) const {
    Element os("os");
    auto& type = os.child("type").text("hvm");
    if (pretended) return os.str();  // libvirt's test driver knows no q35 and no firmware
    type.attribute("arch", "x86_64").attribute("machine", "q35");
    os.child("loader").attribute("readonly", "yes").attribute("type", "pflash").text(firmware_.code);
    os.child("nvram").attribute("template", firmware_.variables);
    return os.str();
  }

  static std::string features() {
    Element features("features");
    features.child("acpi");
    features.child("apic");
    return features.str();
  }

  static std::string clock() { return Element("clock").attribute("offset", "utc").str(); }

  static Fragment controller(const char* type, const char* model) {
    return {"devices", Element("controller").attribute("type", type).attribute("index", 0).attribute("model", model).str()};
  }

  static std::string cpu(const Host& host) {
    Element cpu("cpu");
    // Under TCG, "maximum" is all that the emulator can do: guests built for x86-64-v2 and v3 run, which qemu64 would stop.
    cpu.attribute("mode", host.acceleration == "kvm" ? "host-passthrough" : "maximum");
    return cpu.str();
  }

  // One video device with a head for each display: OVMF shows itself on the first. A tablet, so that a pointer is where the viewer's is.
  static void add_screen(const std::vector<Display>& displays, std::vector<Fragment>& fragments) {
    if (displays.size() > kMaxHeads) throw Invalid("/displays", "must have at most " + std::to_string(kMaxHeads) + " entries");
    Element video("video");
    auto& model = video.child("model").attribute("type", "virtio").attribute("heads", displays.size()).attribute("primary", "yes");
    model.child("resolution").attribute("x", displays.front().width).attribute("y", displays.front().height);
    fragments.push_back({"devices", video.str()});
    for (const auto* kind : {"tablet", "keyboard"})
      fragments.push_back({"devices", Element("input").attribute("type", kind).attribute("bus", "usb").str()});
  }

  Firmware firmware_;
};

// Settings: firmware_code and firmware_variables, paths.
struct EfiPlugin final : velocity::sdk::Plugin {
  EfiPlugin() : efi(add<Efi>()) {}

  void configure(const Call&, const Json& settings) override {
    Fields fields(settings);
    Firmware firmware;
    firmware.code = path(fields, "firmware_code").value_or(firmware.code);
    firmware.variables = path(fields, "firmware_variables").value_or(firmware.variables);
    fields.refuse_others();
    fields.finish();
    efi.use(std::move(firmware));
  }

  static std::optional<std::string> path(Fields& fields, std::string_view field) {
    auto path = fields.text(field);
    if (path && !path->starts_with('/')) fields.note(field, "must be an absolute path");
    return path;
  }

  Efi& efi;
};

}  // namespace

VELOCITY_PLUGIN(EfiPlugin)
