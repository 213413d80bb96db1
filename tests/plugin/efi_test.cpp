#include <fstream>

#include "tests/plugin/vm_type_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class EfiTest : public VmTypeTest {
 protected:
  EfiTest() : VmTypeTest("efi") {}

  // Settings whose files are all there, whatever this machine has installed.
  void with_everything() {
    const auto file = write("file", "").string();
    fs::permissions(file, fs::perms::owner_all);
    configure({{"secure_firmware_code", file}, {"secure_firmware_variables", file}, {"swtpm", file}, {"swtpm_setup", file}});
  }

  std::map<std::string, std::string> seed(const Wanted& wanted) const {
    const auto files = plan_all(host(), wanted).files;
    if (files.size() != 1) throw std::runtime_error("there is not one file");
    EXPECT_EQ(files[0].name, "seed.iso");
    const auto& image = std::get<IsoImage>(files[0].content);
    EXPECT_EQ(image.label, "cidata");
    return image.entries;
  }
};

constexpr auto* kOs =
    "os <os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/></os>";

TEST_F(EfiTest, AMachineWithoutAScreenHasFirmwareAndAProcessor) {
  EXPECT_THAT(plan(host(), {}), ElementsAre(kOs, kFeatures, kClock, "cpu <cpu mode='maximum'/>", kUsb, kScsi));
  EXPECT_THAT(plan_all(host(), {}).files, IsEmpty());
}

TEST_F(EfiTest, UnderKvmTheProcessorIsTheHosts) { EXPECT_THAT(plan(host("kvm", "kvm"), {}), Contains("cpu <cpu mode='host-passthrough'/>")); }

TEST_F(EfiTest, EachDisplayIsAHeadOfOneVideoDevice) {
  const Json displays{{{"description", "left"}, {"width", 1280}, {"height", 800}}, {{"description", "right"}, {"width", 640}, {"height", 480}}};
  EXPECT_THAT(plan(host(), {.displays = displays}),
              ElementsAre(kOs, kFeatures, kClock, "cpu <cpu mode='maximum'/>", kUsb, kScsi,
                          "devices <video><model type='virtio' heads='2' primary='yes'><resolution x='1280' y='800'/></model></video>",
                          "devices <input type='tablet' bus='usb'/>", "devices <input type='keyboard' bus='usb'/>"));
}

TEST_F(EfiTest, MoreDisplaysThanHeadsAreRefused) {
  EXPECT_THAT(problems([&] { plan(host(), {.displays = std::vector<Json>(17, {{"width", 640}, {"height", 480}})}); }),
              ElementsAre("/displays: must have at most 16 entries"));
}

TEST_F(EfiTest, TheTestDriverIsAskedForNothingThatItLacks) {
  EXPECT_THAT(plan(host("test"), {.spec = {{"secure_boot", true}, {"tpm", true}}, .displays = {{{"width", 640}, {"height", 480}}}}),
              ElementsAre("os <os><type>hvm</type></os>", kFeatures, kClock));
}

TEST_F(EfiTest, FieldsThatItDoesNotKnowAreDropped) {
  const Json plain{{"secure_boot", false}, {"tpm", false}};
  EXPECT_EQ(type_->validate({{"colour", "blue"}, {"n", {1, 2}}}), plain);
  EXPECT_EQ(type_->validate({{"secure_boot", nullptr}, {"cloud_init", nullptr}}), plain);
}

TEST_F(EfiTest, ItSaysWhyAHostWillNotDo) {
  const auto arm = type_->host_check({{"arch", "aarch64"}, {"acceleration", "kvm"}, {"domain_type", "kvm"}});
  EXPECT_FALSE(arm.available);
  EXPECT_THAT(arm.why_not, HasSubstr("aarch64"));
  EXPECT_TRUE(type_->host_check({{"arch", "i686"}, {"acceleration", "tcg"}, {"domain_type", "test"}}).available);
  EXPECT_EQ(type_->host_check(host()).available, fs::exists("/usr/share/OVMF/OVMF_CODE_4M.fd"));
}

TEST_F(EfiTest, SecureBootTakesTheFirmwareThatHasItAndSystemManagementMode) {
  const auto lines = plan(host(), {.spec = {{"secure_boot", true}}});
  EXPECT_EQ(lines[0],
            "os <os><type arch='x86_64' machine='q35'>hvm</type>"
            "<loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.ms.fd</loader>"
            "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.ms.fd'/></os>");
  EXPECT_EQ(lines[1], "features <features><acpi/><apic/><smm state='on'/></features>");
}

TEST_F(EfiTest, ATpmIsOneOfVersionTwo) {
  EXPECT_THAT(plan(host(), {.spec = {{"tpm", true}}}), Contains("devices <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"));
  EXPECT_THAT(plan(host(), {}), Not(Contains(HasSubstr("tpm"))));
}

TEST_F(EfiTest, WhatTheHostLacksIsRefusedWhenItIsAskedForAndOnlyThen) {
  configure({{"secure_firmware_code", "/nowhere/code.fd"}, {"swtpm", "/nowhere/swtpm"}});
  EXPECT_THAT(problems([&] { type_->validate({{"secure_boot", true}, {"tpm", true}}); }),
              ElementsAre("/secure_boot: is not available on this host: it has no firmware with Secure Boot (Debian: ovmf)",
                          "/tpm: is not available on this host: it has no software TPM (Debian: swtpm, swtpm-tools)"));
  EXPECT_THAT(problems([&] { type_->validate({{"secure_boot", false}, {"tpm", false}}); }), IsEmpty());
  with_everything();
  EXPECT_THAT(problems([&] { type_->validate({{"secure_boot", true}, {"tpm", true}}); }), IsEmpty());
}

TEST_F(EfiTest, ASettingThatIsNoAbsolutePathRefusesThePlugin) {
  auto all = settings();
  all.configuration["efi"] = {{"swtpm", "bin/swtpm"}};
  EXPECT_EQ(report(Registry(all, services_), "efi.so").code, "plugin.settings_invalid");
}

TEST_F(EfiTest, CloudInitComesOnACdThatTheServerMakes) {
  const Json cloud{{"user_data", "#cloud-config\n"}, {"meta_data", "instance-id: mine\n"}, {"network_config", "version: 2\n"}};
  EXPECT_THAT(plan(host(), {.spec = {{"cloud_init", cloud}}}),
              Contains("devices <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/state/machines/7b0ec6fa/seed.iso'/>"
                       "<backingStore/><target dev='sdzz' bus='scsi'/><readonly/>"
                       "<address type='drive' controller='0' bus='0' target='1' unit='0'/></disk>"));
  EXPECT_THAT(seed({.spec = {{"cloud_init", cloud}}}),
              ElementsAre(testing::Pair("meta-data", "instance-id: mine\n"), testing::Pair("network-config", "version: 2\n"), testing::Pair("user-data", "#cloud-config\n")));
}

TEST_F(EfiTest, MissingMetaDataIsMadeOfTheMachinesIdAndName) {
  const auto entries = seed({.spec = {{"cloud_init", {{"user_data", "#!/bin/sh\n"}}}}, .name = "Web server (1)…"});
  EXPECT_EQ(entries.at("meta-data"), "instance-id: \"7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f\"\nlocal-hostname: \"Web-server-1\"\n");
  EXPECT_EQ(entries.count("network-config"), 0U);
  EXPECT_EQ(seed({.spec = {{"cloud_init", Json::object()}}, .name = "日本"}).at("meta-data"), "instance-id: \"7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f\"\n");
}

TEST_F(EfiTest, CloudInitIsConfidential) { EXPECT_THAT(type_->info().confidential, ElementsAre("cloud_init")); }

TEST_F(EfiTest, MalformedCloudInitIsRefused) {
  EXPECT_THAT(problems([&] { type_->validate({{"cloud_init", {{"user_data", 7}, {"colour", "blue"}}}}); }),
              testing::UnorderedElementsAre(HasSubstr("/cloud_init/user_data: must be a text"), "/cloud_init/colour: is not a field of this type"));
  EXPECT_THAT(problems([&] { type_->validate({{"cloud_init", "#cloud-config"}}); }), ElementsAre("/cloud_init: must be an object"));
}

}  // namespace
}  // namespace velocity::plugin
