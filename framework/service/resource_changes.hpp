// What becomes of resources that are there: another label, other own fields. Included by the routes of /r and by the recovery.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "framework/model/resource.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/turns.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

// Thread-safe. The row's `altering` is the journal: the new spec stands there before anything is done, and is gone when it is what the
// resource is. What it costs more is taken from the quota with the first of the two.
class ResourceChanges {
 public:
  ResourceChanges(Inventory& inventory, const plugin::Registry& registry, const storage::Volumes& volumes, Turns& turns)
      : inventory_(inventory), registry_(registry), volumes_(volumes), turns_(turns) {}

  // `changes`: own fields with their new values. resource_not_found, resource_denied, resource_label_taken, resource_in_use, request_invalid,
  // quota_exceeded. hypervisor_unavailable before anything is changed, when it is away and a machine has the resource. When the hypervisor is
  // lost on the way, the error's message says that the change stays begun.
  void alter(const Caller& caller, model::ResourceId id, const std::optional<std::string>& label, const nlohmann::json& changes);

  // Brings to an end what a server that died had begun. Throws nothing: what cannot be done now is for the next time.
  void finish_all() noexcept;

 private:
  using Row = std::shared_ptr<const model::Resource>;
  const plugin::ResourceType& type_of(const model::Resource& resource) const;
  // The spec with the changes, as its type has it. Who alters it may name what it sees and have what it could make.
  nlohmann::json wanted(const Picture& picture, const Caller& caller, const plugin::ResourceType& type, const model::Resource& row,
                        const nlohmann::json& changes) const;
  void carry_out(const Row& row);
  void rename(const Caller& caller, model::ResourceId id, const std::string& label);
  Inventory& inventory_;
  const plugin::Registry& registry_;
  const storage::Volumes& volumes_;
  Turns& turns_;
};

}  // namespace velocity::service
