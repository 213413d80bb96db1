// What a group may take and takes of the host. Included by the store, the inventory and the quota service.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "framework/model/uuid.hpp"

namespace velocity::model {

// What is counted, as it is called on the wire and in a resource type's `cost`.
inline constexpr std::array<std::string_view, 4> kDimensions{"vcpus", "memory_mb", "storage_mb", "vms"};
enum Dimension : std::size_t { kVcpus, kMemoryMb, kStorageMb, kMachines };

using Amounts = std::array<std::int64_t, kDimensions.size()>;

// A resource type's cost; what is not counted here has no limit.
inline Amounts amounts_of(const std::map<std::string, std::int64_t>& cost) {
  Amounts amounts{};
  for (std::size_t i = 0; i < kDimensions.size(); ++i)
    if (const auto found = cost.find(std::string(kDimensions[i])); found != cost.end()) amounts[i] = found->second;
  return amounts;
}

struct Quota {
  Gid group{};
  std::array<std::optional<std::int64_t>, kDimensions.size()> limits;  // what is not set has no limit
};

}  // namespace velocity::model
