// The types of a loaded plugin: VmType and ResourceType over the plugin's tables. Included by loader.cpp.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "framework/plugin/module.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/plugin/schema.hpp"

namespace velocity::plugin {

// What `describe` said, checked: Error(plugin_failed) or request_invalid otherwise. The schema in it has its references written out.
struct Described {
  TypeInfo info;
  Schema schema;
  std::optional<Schema> unprivileged;  // of the specs that everybody may ask for; of all when there is none
};

template <class Table>
Described describe(const Module& module, const Table& table, const std::string& version);

std::vector<PlanFragment> fragments_of(const Json& reply, const std::string& plugin);

// What both kinds of type have in common.
template <class Base, class Table>
class LoadedType : public Base {
 public:
  LoadedType(std::shared_ptr<const Module> module, const Table& table, Described described)
      : module_(std::move(module)), table_(table), described_(std::move(described)) {}

  const TypeInfo& info() const override { return described_.info; }
  Availability host_check(const Json& host) const override;
  Json validate(const Json& spec, const Json& resources) const override;
  std::vector<model::Problem> privileged(const Json& spec) const override;

 protected:
  Json call(std::string_view what, velocity_operation operation, const Json& request, const Json& otherwise = Json::object()) const {
    return module_->call(what, operation, table_.self, request, otherwise);
  }
  const Table& table() const { return table_; }

 private:
  std::shared_ptr<const Module> module_;
  Table table_;
  Described described_;
};

class LoadedVmType final : public LoadedType<VmType, velocity_vm_type> {
 public:
  using LoadedType::LoadedType;
  Plan plan(const Json& request) const override;
  std::vector<std::string> live_changes(const Json& old_spec, const Json& new_spec) const override;
};

class LoadedResourceType final : public LoadedType<ResourceType, velocity_resource_type> {
 public:
  using LoadedType::LoadedType;
  model::ResourceKind kind() const override;
  std::vector<FoundItem> enumerate(const Json& host) const override;
  void create(const Json& request) const override;
  void remove(const Json& request) const override;
  void alter(const Json& request) const override;
  Json inspect(const Json& request) const override;
  std::vector<PlanFragment> attach(const Json& request) const override;
  std::map<std::string, std::int64_t> cost(const Json& spec) const override;
};

}  // namespace velocity::plugin
