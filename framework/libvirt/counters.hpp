// What running machines have used so far. Included by the services that show it, and by this room's host.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/model/uuid.hpp"

namespace velocity::libvirt {

// All count from the machine's start on. What a hypervisor does not tell is absent.
struct DiskCounters {
  std::string target;            // vda
  std::filesystem::path source;  // its file
  std::optional<std::uint64_t> read_bytes, read_requests, written_bytes, write_requests;
};

struct NicCounters {
  std::string target;  // its name on the host
  std::optional<std::uint64_t> received_bytes, received_packets, sent_bytes, sent_packets;
};

struct DomainCounters {
  model::MachineId id;
  std::optional<std::uint64_t> cpu_ns;        // time that the host's processors worked for it
  std::optional<std::uint64_t> vcpus;         // that it has now
  std::optional<std::uint64_t> memory_kib;    // that the guest has now
  std::optional<std::uint64_t> resident_kib;  // of the host's memory
  std::vector<DiskCounters> disks;
  std::vector<NicCounters> nics;
};

}  // namespace velocity::libvirt
