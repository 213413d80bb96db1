// One VM type out of one of our plugins, and what it plans, for the tests of the VM types.
#pragma once

#include <string>
#include <vector>

#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {

class VmTypeTest : public PluginTest {
 protected:
  explicit VmTypeTest(std::string name, const Json& settings = Json::object()) : name_(std::move(name)) { configure(settings); }

  // Loads the plugin again with these settings of the administrator's.
  void configure(const Json& given) {
    if (!fs::exists(directory_ / (name_ + ".so"))) copy(good(name_));
    auto all = settings();
    if (!given.empty()) all.configuration[name_] = given;
    registry_ = std::make_unique<Registry>(all, services_);
    type_ = registry_->find_vm_type(name_);
    if (!type_) throw std::runtime_error("the plugin brings no type " + name_ + ": " + registry_->plugins().front().cause);
  }

  static Json host(const std::string& type = "qemu", const std::string& acceleration = "tcg") {
    return {{"arch", "x86_64"}, {"acceleration", acceleration}, {"domain_type", type}};
  }

  struct Wanted {
    Json spec = Json::object();
    Json resources = Json::object();
    Json displays = Json::array();
    std::string name = "a";
    int cpu_count = 2;
  };

  Plan plan_all(const Json& host, const Wanted& wanted) const {
    const Json vm{{"vmid", "7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f"}, {"name", wanted.name},         {"cpu_count", wanted.cpu_count},
                  {"memory_size_mb", 512},                          {"displays", wanted.displays}, {"directory", "/state/machines/7b0ec6fa"}};
    return type_->plan({{"vm", vm}, {"spec", wanted.spec}, {"resources", wanted.resources}, {"host", host}});
  }

  // The fragments, one a line.
  std::vector<std::string> plan(const Json& host, const Wanted& wanted) const {
    std::vector<std::string> lines;
    for (const auto& [section, xml] : plan_all(host, wanted).fragments) lines.push_back(section + " " + xml);
    return lines;
  }

  std::string name_;
  std::unique_ptr<Registry> registry_;
  const VmType* type_ = nullptr;
};

inline constexpr auto* kFeatures = "features <features><acpi/><apic/></features>";
inline constexpr auto* kClock = "clock <clock offset='utc'/>";
inline constexpr auto* kScsi = "devices <controller type='scsi' index='0' model='virtio-scsi'/>";
inline constexpr auto* kUsb = "devices <controller type='usb' index='0' model='qemu-xhci'/>";

// Base64, as the core hands over an image's first bytes.
inline std::string encoded(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) text += at + i > bytes.size() ? '=' : kAlphabet[bits >> (18 - 6 * i) & 63U];
  }
  return text;
}

}  // namespace velocity::plugin
