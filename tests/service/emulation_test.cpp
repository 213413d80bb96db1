#include "framework/service/emulation.hpp"

#include <gtest/gtest.h>

namespace velocity::service {
namespace {

libvirt::HostFacts host(const std::string& acceleration, const std::string& why_no_kvm) {
  libvirt::HostFacts facts;
  facts.domain_type = acceleration == "kvm" ? "kvm" : "qemu";
  facts.acceleration = acceleration;
  facts.why_no_kvm = why_no_kvm;
  return facts;
}

TEST(Emulation, IsToldWithItsCauseAndWhereHelpIs) {
  const auto notice = emulation_notice(host("tcg", "/dev/kvm: Permission denied"));
  for (const auto* part : {"Guests are emulated, which is slow", "/dev/kvm: Permission denied", "docs/administrators.md"})
    EXPECT_NE(notice.find(part), std::string::npos) << notice;
}

TEST(Emulation, IsNotToldWhereThereIsNone) {
  EXPECT_EQ(emulation_notice(host("kvm", "")), "");
  auto test_driver = host("tcg", "the test driver runs no guests");
  test_driver.domain_type = "test";
  EXPECT_EQ(emulation_notice(test_driver), "");
}

TEST(Emulation, KvmThatIsAskedForAndDoesNotWorkIsToldToo) {
  const auto notice = emulation_notice(host("kvm", "KVM is there, but a guest of a few instructions did not end within 200 ms"));
  EXPECT_NE(notice.find("may not run: KVM is there"), std::string::npos) << notice;
}

}  // namespace
}  // namespace velocity::service
