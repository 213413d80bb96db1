// Who may do what: the only maker of Authorized<T>, without which no service touches a thing. Included by the services.
#pragma once

#include <memory>
#include <optional>

#include "framework/model/error.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

// Proof that the caller may do to this thing what was asked for.
template <class T>
class Authorized {
 public:
  const T* operator->() const { return thing_.get(); }
  const T& operator*() const { return *thing_; }
  const std::shared_ptr<const T>& pointer() const { return thing_; }

 private:
  friend class Access;
  explicit Authorized(std::shared_ptr<const T> thing) : thing_(std::move(thing)) {}
  std::shared_ptr<const T> thing_;
};

// Decides on one picture for one caller. What the caller cannot see is answered exactly like what does not exist.
// Borrow both; make one for each decision.
class Access {
 public:
  Access(const Picture& picture, const Caller& caller) : picture_(picture), caller_(caller) {}

  model::Permissions on(const model::Catalog& catalog) const;
  std::optional<model::ResourceRight> on(const model::Resource& resource) const;  // the most that the caller may; nothing: it does not see it
  bool sees(const model::Resource& resource) const { return resource.phase == model::Phase::ready && on(resource); }

  Authorized<model::Catalog> catalog(model::CatalogId id) const;  // any permission: catalog_not_found
  Authorized<model::Catalog> catalog(model::CatalogId id, model::Permission needed) const;  // catalog_denied
  bool sees(model::MachineId id) const;  // any permission on its catalog
  Authorized<model::Machine> machine(model::MachineId id) const;  // any permission on its catalog: machine_not_found
  Authorized<model::Machine> machine(model::MachineId id, model::Permission needed) const;  // machine_denied
  Authorized<model::Resource> resource(model::ResourceId id) const;  // any right: resource_not_found
  Authorized<model::Resource> resource(model::ResourceId id, model::ResourceRight needed) const;  // resource_denied
  Authorized<model::Group> own_group(model::Gid gid) const;          // a member, or root: group_not_found

  void require_group(model::Gid group, model::ErrorCode denied, const char* sentence) const;  // a member of a managers' group, or root

 private:
  const Picture& picture_;
  const Caller& caller_;
};

}  // namespace velocity::service
