#include "server/rest/own_fields.hpp"

#include <algorithm>

#include "framework/model/error.hpp"

namespace velocity::rest {
namespace {

using model::Error;
using model::Json;
using model::Problem;

bool names(const plugin::Type& type, const std::string& field) {
  const auto& schema = type.info().schema;
  return schema.is_object() && schema.contains("properties") && schema.at("properties").contains(field);
}

bool is_open(const plugin::Type& type) { return type.info().schema.value("additionalProperties", Json(true)) != false; }

// What the type alone can say. Of the resources that fields name it is told nothing here, so what it says of those is left for later.
std::vector<Problem> own_problems(const plugin::Type& type, const Json& own) {
  try {
    type.validate(own);
    return {};
  } catch (const Error& error) {
    auto problems = error.problems();
    std::erase_if(problems, [&](const Problem& problem) {
      const auto field = problem.path.substr(0, problem.path.find('/', 1));
      return field.size() > 1 && type.info().resources.count(field.substr(1)) > 0 && own.contains(field.substr(1));
    });
    return problems;
  }
}

}  // namespace

Json own_fields(const Json& fields, const plugin::Type* type, std::initializer_list<std::string_view> of_the_core) {
  Json own = Json::object();
  for (const auto& [field, value] : fields.items()) {
    const bool core = std::find(of_the_core.begin(), of_the_core.end(), field) != of_the_core.end();
    if (!core || (type && names(*type, field))) own[field] = value;
  }
  return own;
}

std::vector<std::string> unknown_fields(const plugin::Type& type, const Json& own) {
  std::vector<std::string> unknown;
  for (const auto& [field, value] : own.items())
    if (!value.is_null() && !names(type, field)) unknown.push_back(field);
  return unknown;
}

void finish_with_own(model::FieldReader& fields, const plugin::Type& type, const Json& own) {
  try {
    fields.finish();
  } catch (const Error& error) {
    auto problems = error.problems();
    for (auto& problem : own_problems(type, own)) problems.push_back(std::move(problem));
    if (is_open(type))
      for (const auto& field : unknown_fields(type, own)) problems.push_back({fields.path_of(field), "is not a field of this type"});
    throw Error(std::move(problems));
  }
}

}  // namespace velocity::rest
