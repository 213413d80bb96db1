#include "framework/libvirt/apple_smc.hpp"

#include <fmt/format.h>

namespace velocity::libvirt {

std::string apple_smc_configuration(std::string_view key) {
  return fmt::format("[device \"applesmc\"]\n  driver = \"isa-applesmc\"\n  osk = \"{}\"\n", key);
}

}  // namespace velocity::libvirt
