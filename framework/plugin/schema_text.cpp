#include "framework/plugin/schema_text.hpp"

#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>

namespace velocity::plugin {
namespace {

using model::Error;
using model::ErrorCode;
using model::Json;

constexpr int kMaxSchemaDepth = 24;
constexpr int kMaxSchemaNodes = 4000;

// What stands behind a keyword of draft 7.
enum class Holds { value, annotation, schema, schemas, named_schemas, dependencies };

const std::map<std::string_view, Holds>& keywords() {
  static const std::map<std::string_view, Holds> known{
      {"$schema", Holds::annotation}, {"$id", Holds::annotation}, {"$comment", Holds::annotation}, {"title", Holds::annotation},
      {"description", Holds::annotation}, {"default", Holds::annotation}, {"examples", Holds::annotation}, {"readOnly", Holds::annotation},
      {"writeOnly", Holds::annotation}, {"format", Holds::annotation},  // an annotation in draft 7: a hint for forms
      {"type", Holds::value}, {"enum", Holds::value}, {"const", Holds::value}, {"multipleOf", Holds::value}, {"maximum", Holds::value},
      {"exclusiveMaximum", Holds::value}, {"minimum", Holds::value}, {"exclusiveMinimum", Holds::value}, {"maxLength", Holds::value},
      {"minLength", Holds::value}, {"maxItems", Holds::value}, {"minItems", Holds::value}, {"uniqueItems", Holds::value},
      {"maxProperties", Holds::value}, {"minProperties", Holds::value}, {"required", Holds::value},
      {"additionalItems", Holds::schema}, {"contains", Holds::schema}, {"additionalProperties", Holds::schema}, {"propertyNames", Holds::schema},
      {"if", Holds::schema}, {"then", Holds::schema}, {"else", Holds::schema}, {"not", Holds::schema}, {"items", Holds::schemas},
      {"allOf", Holds::schemas}, {"anyOf", Holds::schemas}, {"oneOf", Holds::schemas}, {"properties", Holds::named_schemas},
      {"dependencies", Holds::dependencies}};
  return known;
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::plugin_failed, fmt::format("{}: {}", path.empty() ? "the schema" : "the schema at " + path, why));
}

class Expansion {
 public:
  explicit Expansion(const Json& root) : definitions_(root.is_object() ? root.value("definitions", Json::object()) : Json::object()) {}

  Json schema(const Json& node, const std::string& path, int depth) {
    if (depth > kMaxSchemaDepth) refuse(path, "it is nested too deeply, or refers to itself");
    if (++nodes_ > kMaxSchemaNodes) refuse(path, "it is too large");
    if (node.is_boolean()) return node;
    if (!node.is_object()) refuse(path, "must be an object or a boolean");
    if (const auto reference = node.find("$ref"); reference != node.end()) return schema(definition(*reference, path), path, depth + 1);
    Json out = Json::object();
    for (const auto& [keyword, value] : node.items()) {
      const auto known = keywords().find(keyword);
      if (path.empty() && keyword == "definitions") continue;
      if (keyword == "pattern" || keyword == "patternProperties")
        refuse(path, fmt::format("\"{}\" is not offered: use enum and lengths, or judge it in validate()", keyword));
      if (known == keywords().end()) refuse(path, fmt::format("\"{}\" is no keyword that this server knows (JSON Schema draft 7)", keyword));
      if (keyword == "multipleOf" && !(value.is_number() && value > 0)) refuse(path, "\"multipleOf\" must be greater than 0");  // it is divided by
      out[keyword] = content(known->second, value, path + '/' + keyword, depth);
    }
    return out;
  }

 private:
  Json content(Holds holds, const Json& value, const std::string& path, int depth) {
    switch (holds) {
      case Holds::value:
      case Holds::annotation:
        return value;
      case Holds::schema:
        return schema(value, path, depth + 1);
      case Holds::schemas: {
        if (!value.is_array()) return schema(value, path, depth + 1);
        auto out = Json::array();
        for (const auto& item : value) out.push_back(schema(item, path, depth + 1));
        return out;
      }
      case Holds::named_schemas:
      case Holds::dependencies: {
        if (!value.is_object()) refuse(path, "must be an object");
        auto out = Json::object();
        for (const auto& [name, item] : value.items())
          out[name] = holds == Holds::dependencies && item.is_array() ? item : schema(item, path + '/' + name, depth + 1);
        return out;
      }
    }
    return {};
  }

  const Json& definition(const Json& reference, const std::string& path) const {
    static constexpr std::string_view kPrefix = "#/definitions/";
    const auto text = reference.is_string() ? reference.get<std::string>() : std::string();
    if (!text.starts_with(kPrefix)) refuse(path, "\"$ref\" may only refer to \"#/definitions/<name>\"");
    const auto found = definitions_.is_object() ? definitions_.find(text.substr(kPrefix.size())) : definitions_.end();
    if (!definitions_.is_object() || found == definitions_.end()) refuse(path, "\"$ref\" refers to nothing: " + text);
    return *found;
  }

  Json definitions_;
  int nodes_ = 0;
};

bool wants(const Json& schema, std::string_view type) {
  const auto found = schema.find("type");
  if (found == schema.end()) return false;
  if (found->is_string()) return found->get_ref<const std::string&>() == type;
  if (found->is_array())
    for (const auto& one : *found)
      if (one.is_string() && one.get_ref<const std::string&>() == type) return true;
  return false;
}

void read_text(const Json& schema, Json& value) {
  const auto text = value.get<std::string>();
  if (wants(schema, "string")) return;
  if (wants(schema, "boolean") && (text == "true" || text == "false")) value = text == "true";
  std::int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if ((wants(schema, "integer") || wants(schema, "number")) && fault == std::errc() && end == text.data() + text.size()) value = number;
}

std::string listed(const Json& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + (value.is_string() ? value.get<std::string>() : model::dump_json(value));
  return out;
}

// "from 1 to 5", "of at least 1", "of at most 5", or nothing.
std::string range(const Json& schema, const char* min, const char* max, std::string_view unit = {}) {
  const auto low = schema.find(min);
  const auto high = schema.find(max);
  const bool has_low = low != schema.end() && low->is_number();
  const bool has_high = high != schema.end() && high->is_number();
  if (has_low && has_high && unit.empty()) return fmt::format(" from {} to {}", low->dump(), high->dump());
  if (has_low && has_high) return fmt::format(" of {} to {}{}", low->dump(), high->dump(), unit);
  if (has_low) return fmt::format(" of at least {}{}", low->dump(), unit);
  if (has_high) return fmt::format(" of at most {}{}", high->dump(), unit);
  return {};
}

}  // namespace

Json expand_schema(const Json& schema) {
  if (!schema.is_object()) refuse("", "must be an object");
  if (const auto draft = schema.find("$schema"); draft != schema.end()) {
    const auto text = draft->is_string() ? draft->get<std::string>() : std::string();
    if (text.find("//json-schema.org/draft-07/schema") == std::string::npos) refuse("/$schema", "must be draft 7: http://json-schema.org/draft-07/schema#");
  }
  auto out = Expansion(schema).schema(schema, "", 0);
  if (!out.is_object() || out.value("type", Json()) != "object") refuse("/type", "must be \"object\"");
  return out;
}

Json bare_schema(const Json& schema) {
  if (!schema.is_object()) return schema;
  auto out = Json::object();
  for (const auto& [keyword, value] : schema.items()) {
    const auto holds = keywords().at(keyword);
    if (holds == Holds::annotation) continue;
    auto& kept = out[keyword] = value;
    if (holds == Holds::schema || (holds == Holds::schemas && !value.is_array())) kept = bare_schema(value);
    if (holds == Holds::schemas || holds == Holds::named_schemas || holds == Holds::dependencies)
      if (kept.is_array() || holds != Holds::schemas)
        for (auto& item : kept) item = bare_schema(item);
  }
  return out;
}

void prepare_spec(const Json& schema, Json& value) {
  if (!schema.is_object()) return;
  if (value.is_string()) read_text(schema, value);
  if (value.is_array()) {
    const auto items = schema.find("items");
    if (items != schema.end() && items->is_object())
      for (auto& item : value) prepare_spec(*items, item);
  }
  const auto properties = schema.find("properties");
  if (!value.is_object() || properties == schema.end() || !properties->is_object()) return;
  for (const auto& [name, property] : properties->items()) {
    auto member = value.find(name);
    if (member != value.end() && member->is_null() && !wants(property, "null")) {
      value.erase(member);
      member = value.end();
    }
    if (member == value.end() && property.is_object() && property.contains("default")) member = value.emplace(name, property["default"]).first;
    if (member != value.end()) prepare_spec(property, *member);
  }
}

std::string expectation(const Json& schema) {
  if (!schema.is_object()) return {};
  if (const auto found = schema.find("const"); found != schema.end()) return "must be " + listed(Json::array({*found}));
  if (const auto found = schema.find("enum"); found != schema.end()) return "must be one of " + listed(*found);
  const auto type = schema.find("type");
  if (type == schema.end() || !type->is_string()) return {};
  if (*type == "integer") return "must be a whole number" + range(schema, "minimum", "maximum");
  if (*type == "number") return "must be a number" + range(schema, "minimum", "maximum");
  if (*type == "boolean") return "must be true or false";
  if (*type == "string") return "must be a text" + range(schema, "minLength", "maxLength", " characters");
  if (*type == "array") return "must be a list" + range(schema, "minItems", "maxItems", " entries");
  if (*type == "object") return "must be an object";
  return {};
}

const Json* find_subschema(const Json& schema, const std::vector<std::string>& tokens) {
  const Json* at = &schema;
  for (const auto& token : tokens) {
    const Json* next = nullptr;
    if (!at->is_object()) return nullptr;
    const auto properties = at->find("properties");
    if (properties != at->end() && properties->contains(token)) next = &(*properties)[token];
    const auto items = at->find("items");
    if (!next && items != at->end() && items->is_object()) next = &*items;
    const auto additional = at->find("additionalProperties");
    if (!next && additional != at->end() && additional->is_object()) next = &*additional;
    if (!next) return nullptr;
    at = next;
  }
  return at;
}

}  // namespace velocity::plugin
