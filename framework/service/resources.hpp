// Resources: what machines are given. Included by the routes of /r.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framework/model/resource.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::libvirt {
class Host;
}

namespace velocity::service {

class Removal;
class Turns;

struct ResourceFilter {
  std::optional<model::ResourceKind> kind;
  std::optional<std::string> type;
  std::optional<model::Gid> group;
};

struct ResourceView {
  std::shared_ptr<const model::Resource> resource;
  std::vector<model::MachineId> machines;  // that it is attached to
};

// Thread-safe. Lists and single reads are answered from memory.
class Resources {
 public:
  Resources(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host, Removal& removal, Turns& turns);

  // type_not_found, type_unavailable, group_not_found (absent, or the caller is not in it), resource_label_taken, request_invalid.
  std::shared_ptr<const model::Resource> create(const Caller& caller, const std::string& type, model::Gid group, const std::string& label,
                                                const nlohmann::json& spec);
  std::vector<ResourceView> list(const Caller& caller, const ResourceFilter& filter) const;
  ResourceView get(const Caller& caller, model::ResourceId id) const;
  void remove(const Caller& caller, model::ResourceId id);  // resource_in_use with the `vmid`

 private:
  Inventory& inventory_;
  const plugin::Registry& registry_;
  libvirt::Host& host_;
  Removal& removal_;
  Turns& turns_;
};

// resource_label_taken when a resource of the group has the label, or an upload other than `own` will have it.
void require_free_label(const Picture& picture, model::Gid group, const std::string& label, model::UploadId own = {});

}  // namespace velocity::service
