// From a machine as it should be to the XML of its domain: asks its type for a plan, each resource's type for its devices, and
// has the libvirt room merge them. Included by the machine service and the recovery.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/libvirt/domain_xml.hpp"
#include "framework/model/machine.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/attached_device.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

struct MachineFiles {
  std::filesystem::path nvram;
  std::filesystem::path console_log;
  std::filesystem::path directory;  // the machine's own, for what its plan asks for; made when it is needed
};

// Thread-safe; changes nothing.
class Blueprint {
 public:
  Blueprint(const plugin::Registry& registry, libvirt::Host& host, const storage::Volumes& volumes, std::filesystem::path nvram,
            std::filesystem::path console_logs, std::filesystem::path run, std::filesystem::path machines);

  std::string domain_xml(const Picture& picture, const model::Machine& machine) const;
  // The machine's disks and NICs, each as it stands in the domain, in the order of its lists.
  std::vector<AttachedDevice> devices(const Picture& picture, const model::Machine& machine) const;
  // Looks at each volume that the machine would be given: QEMU will believe what stands in its header. storage_failed with `rid` for one that
  // is not as it was left. One that is absent is the hypervisor's to complain of.
  void check_volumes(const Picture& picture, const model::Machine& machine) const;
  // What is to be made in the machine's directory before it starts. type_unavailable when its plugin is not there.
  std::vector<plugin::PlanFile> plan_files(const Picture& picture, const model::Machine& machine) const;
  MachineFiles files(model::MachineId id) const;
  std::filesystem::path variables(model::SnapshotId id) const;  // the copy of the firmware's that a snapshot has
  std::filesystem::path directory(model::ResourceId id) const;  // a resource's own, if its plugin asked for one

 private:
  struct Drawn {
    libvirt::DomainParts parts;
    libvirt::HostFacts facts;
    std::vector<std::size_t> device_fragments;  // for each disk and NIC, the first of its fragments; at the end how many fragments there are
  };
  Drawn draw(const Picture& picture, const model::Machine& machine) const;
  plugin::Plan plan(const Picture& picture, const model::Machine& machine, const plugin::VmType& type, const nlohmann::json& host) const;
  void attach(const Picture& picture, const model::Machine& machine, const nlohmann::json& host, Drawn& drawn) const;
  const plugin::Registry& registry_;
  libvirt::Host& host_;
  const storage::Volumes& volumes_;
  std::filesystem::path nvram_;
  std::filesystem::path console_logs_;
  std::filesystem::path run_;
  std::filesystem::path machines_;
};

// What plugins are told of the host.
nlohmann::json host_document(const libvirt::HostFacts& facts);

// Whether a type works on the host; "no" with the reason also when the host is away.
plugin::Availability availability(const plugin::Type& type, libvirt::Host& host);

}  // namespace velocity::service
