// The VM type microkernel: a machine that does nothing but run a Multiboot kernel, with arguments. No disk, no firmware settings, no boot loader.
#include <velocity/pc.hpp>

#include <cstdint>

namespace {

using namespace velocity::sdk;

// Multiboot 0.6.96, 3.1.1: at a multiple of four bytes stand magic, flags and a checksum that makes the sum nothing. The standard looks at 8 KiB,
// the server shows the first 4.
bool is_multiboot(std::string_view head) {
  const auto word = [head](std::size_t at) {
    std::uint32_t number = 0;
    for (std::size_t i = 4; i-- > 0;) number = number << 8 | static_cast<unsigned char>(head[at + i]);
    return number;
  };
  for (std::size_t at = 0; at + 12 <= head.size(); at += 4)
    if (word(at) == 0x1badb002 && word(at) + word(at + 4) + word(at + 8) == 0) return true;
  return false;
}

class Microkernel final : public VmType {
 public:
  Description describe() const override {
    Description said;
    said.type = "microkernel";
    said.title = "Microkernel";
    said.schema = Json::parse(R"json({
      "type": "object", "additionalProperties": false, "required": ["kernel"],
      "properties": {
        "kernel": {"type": "string", "title": "Kernel", "description": "STID of a raw image that is a Multiboot kernel"},
        "arguments": {"type": "string", "maxLength": 200, "default": "", "title": "Arguments"}
      }
    })json");
    said.examples = Json::parse(R"json([{"kernel": "6f1c1b3e-6d3a-4b1e-9a55-0d1f6f0e7c11", "arguments": "tea, earl grey"}])json");
    // The server looks whether the caller may use the image, and shows us its first bytes and where it is.
    said.capabilities = {{"resources", {{"kernel", {{"kind", "storage"}}}}}};
    return said;
  }

  Availability host_check(const Host& host) const override { return pc::needs_x86_64(host); }

  Json validate(const Json& spec, const Resources& resources) const override {
    Fields fields(spec);
    if (const auto kernel = resources.find("kernel"); kernel != resources.end() && !is_multiboot(kernel->second.head))
      fields.note("kernel", "must be a Multiboot kernel");
    for (const char c : fields.text("arguments").value_or(""))
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        fields.note("arguments", "must have no control characters");
        break;
      }
    fields.finish();
    return spec;
  }

  std::vector<Fragment> plan(const PlanRequest& request) const override {
    auto os = pc::os(request.host);
    os.child("kernel").text(request.resources.at("kernel").path);
    if (const auto arguments = request.spec.value("arguments", ""); !arguments.empty()) os.child("cmdline").text(arguments);
    std::vector<Fragment> fragments{{"os", os.str()}, {"features", pc::features().str()}};
    if (!pc::is_pretended(request.host)) fragments.push_back(pc::cpu(request.host));
    return fragments;
  }
};

struct MicrokernelPlugin final : Plugin {
  MicrokernelPlugin() { add<Microkernel>(); }
};

}  // namespace

VELOCITY_PLUGIN(MicrokernelPlugin)
