// Which fields of a creation are the type's own. Included by the tables that create things of a plugin's type.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "framework/model/field_reader.hpp"
#include "framework/service/machines.hpp"

namespace velocity::rest {

// All that is not the core's; and, whosever it is, all that the type's schema names. The type's schema decides whether more may stand
// there.
inline model::Json own_fields(const model::Json& fields, const plugin::Type* type, std::initializer_list<std::string_view> of_the_core) {
  const auto in_schema = [type](const std::string& field) {
    if (!type) return false;
    const auto& schema = type->info().schema;
    return schema.is_object() && schema.contains("properties") && schema.at("properties").contains(field);
  };
  model::Json own = model::Json::object();
  for (const auto& [field, value] : fields.items()) {
    const bool core = std::find(of_the_core.begin(), of_the_core.end(), field) != of_the_core.end();
    if (!core || in_schema(field)) own[field] = value;
  }
  return own;
}

}  // namespace velocity::rest
