// Values ↔ JSON as clients see it: what several route tables share. Included by the route tables only.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "framework/model/field_reader.hpp"
#include "framework/model/permission.hpp"
#include "framework/model/user.hpp"
#include "framework/service/machines.hpp"
#include "framework/service/resources.hpp"
#include "server/rest/route.hpp"

namespace velocity::rest {

inline constexpr std::int64_t kMaxNumber = std::numeric_limits<std::int64_t>::max();

// UIDs and GIDs in a request.
std::optional<model::Uid> read_uid(model::FieldReader& fields, std::string_view field);
std::optional<model::Gid> read_gid(model::FieldReader& fields, std::string_view field);
std::set<model::Gid> read_gids(model::FieldReader& fields, std::string_view field);
// A resource's id, which may be called `rid`, `stid` or `nicid`.
const char* rid_field(const model::FieldReader& fields);
model::ResourceId read_rid(model::FieldReader& fields);  // must be there
bool read_dry_run(const Request& request);
model::Permissions read_permissions(model::FieldReader& fields);  // the seven flags; a missing one is false

Json to_json(const std::set<model::Gid>& groups);                    // [GID]
Json to_json(const std::vector<model::Group>& groups);               // [{gid, groupname}]
void put_permissions(Json& object, model::Permissions permissions);  // the seven flags
Json to_json(const service::ResourceView& view);
Json to_json(const service::MachineView& view);
Json to_json(const service::Rehearsed& rehearsed);  // all that the machine would be, but for the id that it would get
Json without_id(Json resource);                     // that would be made

// What /v/types and /r/types say of one type. `host` is what the plugin is asked about; null while nothing is known of the host.
Json describe_type(const plugin::Type& type, const std::string& kind, const Json& host);
// The types that a plugin would have brought, had it been loaded. prefix: "vm/" or "resource/".
void add_missing_types(Json& types, const plugin::Registry& registry, const std::string& prefix);

}  // namespace velocity::rest
