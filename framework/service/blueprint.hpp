// From a machine as it should be to the XML of its domain: asks its type for a plan, each resource's type for its devices, and
// has the libvirt room merge them. Included by the machine service and the recovery.
#pragma once

#include <filesystem>
#include <string>

#include "framework/libvirt/domain_xml.hpp"
#include "framework/model/machine.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

struct MachineFiles {
  std::filesystem::path nvram;
  std::filesystem::path console_log;
};

// Thread-safe; changes nothing.
class Blueprint {
 public:
  Blueprint(const plugin::Registry& registry, libvirt::Host& host, const storage::Volumes& volumes, std::filesystem::path nvram,
            std::filesystem::path console_logs, std::filesystem::path run);

  std::string domain_xml(const Picture& picture, const model::Machine& machine) const;
  MachineFiles files(model::MachineId id) const;
  std::filesystem::path directory(model::ResourceId id) const;  // a resource's own, if its plugin asked for one

 private:
  void attach(const Picture& picture, const model::Machine& machine, const nlohmann::json& host, libvirt::DomainParts& parts) const;
  const plugin::Registry& registry_;
  libvirt::Host& host_;
  const storage::Volumes& volumes_;
  std::filesystem::path nvram_;
  std::filesystem::path console_logs_;
  std::filesystem::path run_;
};

// What plugins are told of the host.
nlohmann::json host_document(const libvirt::HostFacts& facts);

// Whether a type works on the host; "no" with the reason also when the host is away.
plugin::Availability availability(const plugin::Type& type, libvirt::Host& host);

}  // namespace velocity::service
