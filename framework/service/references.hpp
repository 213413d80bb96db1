// The resources that the own fields of a spec name, such as a kernel: read, looked up, and told to the plugin. Included by the services that
// make things of a plugin's type.
#pragma once

#include <map>
#include <string>

#include "framework/plugin/registry.hpp"
#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

using References = std::map<std::string, model::ResourceId>;  // by field

// The fields of TypeInfo::resources that the spec has; each is put into the spec in its one spelling. request_invalid for what is no UUID.
References read_references(const plugin::TypeInfo& type, nlohmann::json& spec);

// Each must be there, of the kind that the field is for, and visible to the caller: resource_not_found with `type` and `rid`, as the API has it.
void check_references(const Picture& picture, const Caller& caller, const plugin::TypeInfo& type, const References& references);

// resource_denied for what the type's plugin says is not for everybody, such as a port that other hosts could reach, unless the caller is a
// pool manager.
void require_privilege(const Caller& caller, const plugin::Type& type, const nlohmann::json& spec);

// What a plugin is told of them, by field: {"rid", "type", "spec"} with the "path" of each one's file, or with its "head".
nlohmann::json with_paths(const Picture& picture, const References& references, const storage::Volumes& volumes);
nlohmann::json with_heads(const Picture& picture, const References& references, const storage::Volumes& volumes);

}  // namespace velocity::service
