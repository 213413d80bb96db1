#include "framework/service/emulation.hpp"

#include <fmt/format.h>

namespace velocity::service {

std::string emulation_notice(const libvirt::HostFacts& facts) {
  constexpr auto kAdvice = "See \"The hypervisor\" in docs/administrators.md";
  if (facts.domain_type == "test" || facts.why_no_kvm.empty()) return {};
  if (facts.acceleration == "kvm")
    return fmt::format("Guests are given to KVM because a setting says so, and may not run: {}. {}", facts.why_no_kvm, kAdvice);
  return fmt::format("Guests are emulated, which is slow: {}. {}", facts.why_no_kvm, kAdvice);
}

}  // namespace velocity::service
