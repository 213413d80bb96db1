// Resources: what machines are given. Included by the routes of /r.
#pragma once

#include <map>
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

namespace velocity::storage {
class Volumes;
}

namespace velocity::service {

class Blueprint;
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
  nlohmann::json facts = nlohmann::json::object();  // what its type says of it beside the spec; of a single one only
};

// A resource that is made as a part of something larger, whose maker needs to know its id before it is there.
struct PartOf {
  model::ResourceId id;
  model::MachineId held;  // the machine whose turn the maker has taken already
};

// Thread-safe. Lists and single reads are answered from memory.
class Resources {
 public:
  Resources(Inventory& inventory, const plugin::Registry& registry, libvirt::Host& host, const Blueprint& blueprint, const storage::Volumes& volumes,
            Removal& removal, Turns& turns);

  // type_not_found, type_unavailable, group_not_found (absent, or the caller is not in it), resource_label_taken, request_invalid.
  std::shared_ptr<const model::Resource> create(const Caller& caller, const std::string& type, model::Gid group, const std::string& label,
                                                nlohmann::json spec, const std::optional<PartOf>& part = std::nullopt);
  ResourceView rehearse(const Caller& caller, const std::string& type, model::Gid group, const std::string& label, nlohmann::json spec);  // changes nothing
  std::vector<ResourceView> list(const Caller& caller, const ResourceFilter& filter) const;
  ResourceView get(const Caller& caller, model::ResourceId id) const;
  void remove(const Caller& caller, model::ResourceId id);  // resource_denied, resource_in_use with the `vmid` or the overlay's `rid`

 private:
  struct Prepared {
    const plugin::ResourceType* type;
    model::Resource resource;  // in phase creating
    std::map<std::string, model::ResourceId> references;
    nlohmann::json documents;  // what the plugin is told of them
  };
  static void check(const Picture& picture, const Caller& caller, const Prepared& prepared);
  Prepared prepare(const Caller& caller, const std::string& type, model::Gid group, const std::string& label, nlohmann::json spec) const;
  Inventory& inventory_;
  const plugin::Registry& registry_;
  libvirt::Host& host_;
  const Blueprint& blueprint_;
  const storage::Volumes& volumes_;
  Removal& removal_;
  Turns& turns_;
};

// resource_label_taken when a resource of the group has the label, or an upload other than `own` will have it.
void require_free_label(const Picture& picture, model::Gid group, const std::string& label, model::UploadId own = {});

}  // namespace velocity::service
