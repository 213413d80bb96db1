#include "tests/plugin/vm_type_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::string_literals;

constexpr auto* kKernel = "6f1c1b3e-6d3a-4b1e-9a55-0d1f6f0e7c11";
constexpr auto* kInitrd = "c4a1d5fa-6b7c-4f0f-8f1c-2b8f4f2f3a10";

std::string bzimage() {
  std::string head(4096, '\0');
  head.replace(0x1fe, 8, "\x55\xaa\xeb\x66HdrS");
  return head;
}

std::string elf(char machine) {
  std::string head(4096, '\0');
  head.replace(0, 7, "\x7f""ELF\x02\x01\x01");
  head[16] = 2;
  head[18] = machine;
  return head;
}

std::string multiboot(std::size_t at) {
  std::string head(4096, '\0');
  head.replace(at, 12, "\x02\xb0\xad\x1b\x03\0\0\0\xfb\x4f\x52\xe4"s);
  return head;
}

class KbootTest : public VmTypeTest {
 protected:
  KbootTest() : VmTypeTest("kboot") {}

  static Json image(const std::string& head, const std::string& format = "raw") {
    return {{"rid", kKernel}, {"type", "disk-image"}, {"spec", {{"format", format}, {"size_mb", 8}}}, {"head", encoded(head)}};
  }
  std::vector<std::string> refusals(const std::string& head, const std::string& format = "raw") const {
    return problems([&] { type_->validate({{"kernel", kKernel}}, {{"kernel", image(head, format)}}); });
  }
};

TEST_F(KbootTest, TheKernelIsGivenDirectlyWithItsInitialRamDiskAndCommandLine) {
  const Json resources{{"kernel", {{"path", "/pool/kernel"}}}, {"initrd", {{"path", "/pool/initrd"}}}};
  EXPECT_THAT(plan(host(), {.spec = {{"kernel", kKernel}, {"initrd", kInitrd}, {"cmdline", "console=ttyS0 a='<b>'"}}, .resources = resources}),
              ElementsAre("os <os><type arch='x86_64' machine='q35'>hvm</type><kernel>/pool/kernel</kernel><initrd>/pool/initrd</initrd>"
                          "<cmdline>console=ttyS0 a=&apos;&lt;b&gt;&apos;</cmdline></os>",
                          kFeatures, kClock, "cpu <cpu mode='maximum'/>", kUsb, kScsi));
}

TEST_F(KbootTest, AKernelAloneIsEnough) {
  const Json resources{{"kernel", {{"path", "/pool/kernel"}}}};
  EXPECT_THAT(plan(host("test"), {.spec = {{"kernel", kKernel}, {"cmdline", ""}}, .resources = resources}),
              ElementsAre("os <os><type>hvm</type><kernel>/pool/kernel</kernel></os>", kFeatures, kClock));
}

TEST_F(KbootTest, KernelsOfEveryKindThatQemuBootsAreTaken) {
  EXPECT_THAT(refusals(bzimage()), IsEmpty());
  EXPECT_THAT(refusals(elf(3)), IsEmpty());
  EXPECT_THAT(refusals(elf(62)), IsEmpty());
  EXPECT_THAT(refusals(multiboot(0)), IsEmpty());
  EXPECT_THAT(refusals(multiboot(4084)), IsEmpty());
}

TEST_F(KbootTest, WhatIsNoKernelIsRefused) {
  const auto* const kWrong = "/kernel: must be a Linux kernel (bzImage, vmlinux) or a multiboot kernel";
  EXPECT_THAT(refusals(""), ElementsAre(kWrong));
  EXPECT_THAT(refusals(std::string(4096, '\0')), ElementsAre(kWrong));
  EXPECT_THAT(refusals(bzimage().substr(0, 0x204)), ElementsAre(kWrong));
  EXPECT_THAT(refusals(elf(40)), ElementsAre(kWrong));
  EXPECT_THAT(refusals("\x7f""ELF"), ElementsAre(kWrong));
  auto checksum_wrong = multiboot(0);
  checksum_wrong[8] = '\x01';
  EXPECT_THAT(refusals(checksum_wrong), ElementsAre(kWrong));
  EXPECT_THAT(refusals(multiboot(2)), ElementsAre(kWrong));
}

TEST_F(KbootTest, AnEfiProgramIsToldWhereItBoots) { EXPECT_THAT(refusals("MZ" + std::string(4094, '\0')), ElementsAre(HasSubstr("this is an EFI program"))); }

TEST_F(KbootTest, OnlyRawImagesAreReadAsTheyAre) {
  EXPECT_THAT(refusals(bzimage(), "qcow2"), ElementsAre(HasSubstr("/kernel: must be an image of the format raw, not qcow2")));
  const Json resources{{"kernel", image(bzimage())}, {"initrd", image("070701", "qcow2")}};
  EXPECT_THAT(problems([&] { type_->validate({{"kernel", kKernel}, {"initrd", kInitrd}}, resources); }),
              ElementsAre(HasSubstr("/initrd: must be an image of the format raw, not qcow2")));
}

TEST_F(KbootTest, TheCommandLineIsOneLineOfALengthThatLinuxTakes) {
  const auto refusals_of = [&](const std::string& line) {
    return problems([&] { type_->validate({{"kernel", kKernel}, {"cmdline", line}}, {{"kernel", image(bzimage())}}); });
  };
  EXPECT_THAT(refusals_of(std::string(2047, 'a')), IsEmpty());
  EXPECT_THAT(refusals_of(std::string(2048, 'a')), ElementsAre(HasSubstr("/cmdline: ")));
  EXPECT_THAT(refusals_of("quiet\ninit=/bin/sh"), ElementsAre("/cmdline: must have no control characters"));
}

TEST_F(KbootTest, ItSaysWhichFieldsNameResources) {
  EXPECT_THAT(type_->info().resources, ElementsAre(testing::Pair("initrd", model::ResourceKind::storage), testing::Pair("kernel", model::ResourceKind::storage)));
  EXPECT_THAT(problems([&] { type_->validate(Json::object()); }), Contains("/kernel: is required"));
}

}  // namespace
}  // namespace velocity::plugin
