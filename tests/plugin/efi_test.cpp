#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class EfiTest : public PluginTest {
 protected:
  EfiTest() : registry_(load({good("efi")})), efi_(registry_.find_vm_type("efi")) {}
  void SetUp() override { ASSERT_TRUE(efi_); }

  static Json host(const std::string& type = "qemu", const std::string& acceleration = "tcg") {
    return {{"arch", "x86_64"}, {"acceleration", acceleration}, {"domain_type", type}};
  }

  // The fragments, one a line.
  std::vector<std::string> plan(const Json& host, const Json& displays) const {
    std::vector<std::string> lines;
    const Json vm{{"vmid", "7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f"}, {"name", "a"}, {"cpu_count", 2}, {"memory_size_mb", 512}, {"displays", displays}};
    for (const auto& [section, xml] : efi_->plan({{"vm", vm}, {"spec", Json::object()}, {"host", host}})) lines.push_back(section + " " + xml);
    return lines;
  }

  Registry registry_;
  const VmType* efi_;
};

constexpr auto* kOs =
    "os <os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/></os>";
constexpr auto* kFeatures = "features <features><acpi/><apic/></features>";
constexpr auto* kClock = "clock <clock offset='utc'/>";
constexpr auto* kScsi = "devices <controller type='scsi' index='0' model='virtio-scsi'/>";
constexpr auto* kUsb = "devices <controller type='usb' index='0' model='qemu-xhci'/>";

TEST_F(EfiTest, AMachineWithoutAScreenHasFirmwareAndAProcessor) {
  EXPECT_THAT(plan(host(), Json::array()), ElementsAre(kOs, kFeatures, kClock, "cpu <cpu mode='maximum'/>", kUsb, kScsi));
}

TEST_F(EfiTest, UnderKvmTheProcessorIsTheHosts) { EXPECT_THAT(plan(host("kvm", "kvm"), Json::array()), testing::Contains("cpu <cpu mode='host-passthrough'/>")); }

TEST_F(EfiTest, EachDisplayIsAHeadOfOneVideoDevice) {
  const Json displays{{{"description", "left"}, {"width", 1280}, {"height", 800}}, {{"description", "right"}, {"width", 640}, {"height", 480}}};
  EXPECT_THAT(plan(host(), displays),
              ElementsAre(kOs, kFeatures, kClock, "cpu <cpu mode='maximum'/>", kUsb, kScsi,
                          "devices <video><model type='virtio' heads='2' primary='yes'><resolution x='1280' y='800'/></model></video>",
                          "devices <input type='tablet' bus='usb'/>", "devices <input type='keyboard' bus='usb'/>"));
}

TEST_F(EfiTest, MoreDisplaysThanHeadsAreRefused) {
  EXPECT_THAT(problems([&] { plan(host(), std::vector<Json>(17, {{"width", 640}, {"height", 480}})); }), ElementsAre("/displays: must have at most 16 entries"));
}

TEST_F(EfiTest, TheTestDriverIsAskedForNothingThatItLacks) {
  EXPECT_THAT(plan(host("test"), {{{"width", 640}, {"height", 480}}}), ElementsAre("os <os><type>hvm</type></os>", kFeatures, kClock));
}

TEST_F(EfiTest, FieldsThatItDoesNotKnowAreDropped) {
  EXPECT_EQ(efi_->validate({{"colour", "blue"}, {"n", {1, 2}}}), Json::object());
  EXPECT_EQ(efi_->validate(Json::object()), Json::object());
}

TEST_F(EfiTest, ItSaysWhyAHostWillNotDo) {
  const auto arm = efi_->host_check({{"arch", "aarch64"}, {"acceleration", "kvm"}, {"domain_type", "kvm"}});
  EXPECT_FALSE(arm.available);
  EXPECT_THAT(arm.why_not, HasSubstr("aarch64"));
  EXPECT_TRUE(efi_->host_check({{"arch", "i686"}, {"acceleration", "tcg"}, {"domain_type", "test"}}).available);
  EXPECT_EQ(efi_->host_check(host()).available, fs::exists("/usr/share/OVMF/OVMF_CODE_4M.fd"));
}

}  // namespace
}  // namespace velocity::plugin
