// The resources that the own fields of a spec name, such as a kernel: read, looked up, and told to the plugin. Included by the services that
// make things of a plugin's type.
#pragma once

#include <map>
#include <string>

#include "framework/plugin/registry.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

using References = std::map<std::string, model::ResourceId>;  // by field

// The fields of TypeInfo::resources that the spec has; each is put into the spec in its one spelling. request_invalid for what is no UUID.
References read_references(const plugin::TypeInfo& type, nlohmann::json& spec);

// What a plugin is told of them, by field: {"rid", "type", "spec"} with the "path" of each one's file, or with its "head".
nlohmann::json with_paths(const Picture& picture, const References& references, const storage::Volumes& volumes);
nlohmann::json with_heads(const Picture& picture, const References& references, const storage::Volumes& volumes);

}  // namespace velocity::service
