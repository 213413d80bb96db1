// Resources that nobody makes: what a type's plugin finds on the host, such as interfaces that guests can be bridged to. Called by the
// daemon's watch of the interfaces and by the recovery.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "framework/plugin/registry.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::libvirt {
class Host;
}

namespace velocity::service {

// Thread-safe.
class FoundResources {
 public:
  FoundResources(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host);

  // Asks every type that finds things (capabilities.found) and makes the rows what they say: a new thing becomes a resource of the group
  // root, a known one (by its id) keeps its row, one that has gone keeps it too and is marked absent. Does nothing while the host is away.
  void refresh();

 private:
  void refresh(const plugin::ResourceType& type);

  Inventory& inventory_;
  const plugin::Registry& registry_;
  libvirt::Host& host_;
  std::mutex mutex_;  // one after another, or an older answer could come last
};

bool is_found(const plugin::TypeInfo& type);      // its resources are found, never made
// The host interface that a resource is, if it was found as one: nobody can name one by making a resource.
std::optional<std::string> host_interface(const model::Resource& resource);
bool is_absent(const model::Resource& resource);  // found once, and not there now

}  // namespace velocity::service
