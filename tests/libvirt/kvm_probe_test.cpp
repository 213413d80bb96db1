#include "framework/libvirt/kvm_probe.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>

namespace velocity::libvirt {
namespace {

TEST(KvmProbe, EndsSoonWithAVerdictThatHasAReason) {
  const auto begin = std::chrono::steady_clock::now();
  const KvmVerdict verdict = probe_kvm();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  EXPECT_EQ(verdict.works, verdict.why_not.empty()) << verdict.why_not;
  RecordProperty("verdict", verdict.works ? "works" : verdict.why_not);
}

TEST(KvmProbe, LeavesNoChildBehind) {
  probe_kvm();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

}  // namespace
}  // namespace velocity::libvirt
