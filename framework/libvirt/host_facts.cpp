#include "framework/libvirt/host_facts.hpp"

#include <pugixml.hpp>
#include <string_view>

#include "framework/libvirt/kvm_probe.hpp"
#include "framework/libvirt/session.hpp"
#include "framework/model/error.hpp"

namespace velocity::libvirt {

namespace {

struct Guest {
  std::string emulator;
  bool kvm = false;  // libvirt lists it, which promises nothing
};

Guest guest_of(const pugi::xml_node& capabilities, std::string_view arch) {
  for (const pugi::xml_node guest : capabilities.children("guest")) {
    const pugi::xml_node node = guest.child("arch");
    if (arch != node.attribute("name").value()) continue;
    Guest found{node.child_value("emulator"), false};
    for (const pugi::xml_node domain : node.children("domain"))
      if (std::string_view(domain.attribute("type").value()) == "kvm") found.kvm = true;
    return found;
  }
  return {};
}

// Of a q35 machine, which takes the most; 0 where the hypervisor does not say.
int most_processors(Session& session, const HostFacts& facts) {
  if (facts.arch != "x86_64") return 0;
  try {
    pugi::xml_document document;
    const auto text = session.domain_capabilities(facts.emulator, facts.arch, "q35", facts.domain_type);
    return document.load_buffer(text.data(), text.size()) ? document.child("domainCapabilities").child("vcpu").attribute("max").as_int() : 0;
  } catch (const model::Error& error) {
    if (error.code() == model::ErrorCode::hypervisor_unavailable) throw;
    return 0;
  }
}

bool is_local(std::string_view uri) { return uri.find(":///") != std::string_view::npos; }

// Empty when KVM works.
std::string why_no_kvm(const Guest& guest, const HostSettings& settings, bool embedded) {
  if (!guest.kvm) return "libvirt does not offer KVM on this host, which has no usable /dev/kvm";
  if (!embedded && !is_local(settings.uri)) return {};  // another machine: its libvirt has to be believed
  const KvmVerdict verdict = probe_kvm();
  if (verdict.works) return {};
  if (!embedded && !verdict.accessible) return {};  // libvirt's daemon runs QEMU as somebody who may
  return verdict.why_not;
}

}  // namespace

HostFacts probe_host(Session& session, const HostSettings& settings, bool embedded) {
  pugi::xml_document document;
  const std::string capabilities = session.capabilities();
  if (!document.load_buffer(capabilities.data(), capabilities.size()))
    throw model::Error(model::ErrorCode::hypervisor_failed, "The hypervisor failed", "its capabilities are not XML");
  const pugi::xml_node root = document.child("capabilities");

  HostFacts facts;
  facts.embedded = embedded;
  facts.arch = root.child("host").child("cpu").child_value("arch");
  if (session.driver() == "TEST") {
    facts.arch = "x86_64";  // the test driver describes a computer of 2004
    facts.domain_type = "test";
    facts.acceleration = "tcg";
    facts.why_no_kvm = "the test driver runs no guests";
    return facts;
  }
  const Guest guest = guest_of(root, facts.arch);
  facts.emulator = guest.emulator;
  if (facts.emulator.empty())
    throw model::Error(model::ErrorCode::hypervisor_failed, "The hypervisor failed", "it has no emulator for " + facts.arch);
  if (settings.acceleration == Acceleration::tcg) {
    facts.why_no_kvm = "KVM is switched off by a setting (--accel tcg)";
  } else {
    facts.why_no_kvm = why_no_kvm(guest, settings, embedded);
  }
  const bool kvm =
      settings.acceleration == Acceleration::kvm || (settings.acceleration == Acceleration::automatic && facts.why_no_kvm.empty());
  facts.domain_type = kvm ? "kvm" : "qemu";
  facts.acceleration = kvm ? "kvm" : "tcg";
  facts.most_processors = most_processors(session, facts);
  return facts;
}

}  // namespace velocity::libvirt
