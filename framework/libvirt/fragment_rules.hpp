// What plugins may say in domain XML, as a table. Included by this room's merge of fragments only.
#pragma once

#include <span>
#include <string_view>

namespace velocity::libvirt {

// One allowed element. `path` begins at the section's element ("os/loader") or, for devices, at the device ("disk/source").
// `attributes` are separated by spaces, each as name=values; `text` is what may stand between the tags, empty for nothing.
// Values: literals separated by '|', or one kind:
//   @word      letters, digits and . _ : + -, at most 64       @number    decimal or 0x…
//   @text      anything printable, at most 4096 bytes           @file      one of DomainParts::allowed_files
//   @configuration one of DomainParts::allowed_configurations
//   @directory one of DomainParts::allowed_directories
//   @interface  one of DomainParts::allowed_interfaces
//   @firmware  @file, or a file of the host's firmware packages @nvram     DomainParts::nvram or nothing: the core fills it in
struct FragmentRule {
  std::string_view path;
  std::string_view attributes;
  std::string_view text;
  bool repeatable = false;  // may stand more than once in its parent; every device may
};

std::span<const FragmentRule> fragment_rules(std::string_view section);  // empty: no such section

const FragmentRule* find_rule(std::string_view section, std::string_view path);

// The allowed values of an attribute under a rule; null data when the attribute is not allowed.
std::string_view find_values(const FragmentRule& rule, std::string_view attribute);

}  // namespace velocity::libvirt
