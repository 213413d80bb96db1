// Without exceptions the validator would abort the process on a schema that it dislikes.
#define VALIJSON_USE_EXCEPTIONS 1

#include "framework/plugin/schema.hpp"

#include <limits>
#include <set>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <fmt/format.h>

#include "framework/plugin/schema_text.hpp"

namespace velocity::plugin {
namespace {

using model::Error;
using model::ErrorCode;
using model::Json;
using model::Problem;
using Tokens = std::vector<std::string>;

constexpr std::size_t kMaxProblems = 100;

std::string pointer(const Tokens& tokens, std::string_view more = {}) {
  std::string out;
  const auto add = [&out](std::string_view token) {
    out += '/';
    for (const char c : token) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  };
  for (const auto& token : tokens) add(token);
  if (!more.empty()) add(more);
  return out;
}

const Json* find_value(const Json& root, const Tokens& tokens) {
  const Json* at = &root;
  for (const auto& token : tokens) {
    if (at->is_object() && at->contains(token)) {
      at = &(*at)[token];
    } else if (at->is_array() && token.find_first_not_of("0123456789") == std::string::npos && token.size() < 10 && std::stoul(token) < at->size()) {
      at = &(*at)[std::stoul(token)];
    } else {
      return nullptr;
    }
  }
  return at;
}

// The library would read them as negative.
void refuse_huge_numbers(const Json& value, Tokens& path, std::vector<Problem>& problems) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    problems.push_back({pointer(path), "must be a smaller number"});
  if (!value.is_structured()) return;
  std::size_t index = 0;
  for (const auto& [name, member] : value.items()) {
    path.push_back(value.is_array() ? std::to_string(index++) : name);
    refuse_huge_numbers(member, path, problems);
    path.pop_back();
  }
}

// Turns the validator's findings into problems: the innermost finding of each place, in words that say what is wanted.
class Findings {
 public:
  Findings(const Json& schema, const Json& spec) : schema_(schema), spec_(spec) {}

  void add(const std::vector<std::string>& context, const std::string& description) {
    Tokens tokens;
    for (std::size_t i = 1; i < context.size(); ++i) tokens.push_back(context[i].substr(1, context[i].size() - 2));  // "<root>", "[name]", …
    const auto* subschema = find_subschema(schema_, tokens);
    static constexpr std::string_view kMissing = "Missing required property '";
    if (description.starts_with("Failed to validate")) {  // only hands on what was found further in
      outer_.push_back({pointer(tokens), "does not fit any of the allowed forms"});
    } else if (description.starts_with(kMissing)) {
      note(pointer(tokens, description.substr(kMissing.size(), description.size() - kMissing.size() - 2)), "is required");
    } else if (description.starts_with("Object contains a property") && subschema && find_value(spec_, tokens)) {
      const auto known = subschema->value("properties", Json::object());
      for (const auto& [name, ignored] : find_value(spec_, tokens)->items())
        if (!known.contains(name)) note(pointer(tokens, name), "is not a field of this type");
    } else {
      auto wanted = subschema ? expectation(*subschema) : std::string();
      const bool about_shape = description.starts_with("Value ") || description.starts_with("Expected ") || description.starts_with("String ") ||
                               description.starts_with("Array should") || description.find("enum") != std::string::npos;
      note(pointer(tokens), about_shape && !wanted.empty() ? wanted : description);
    }
  }

  std::vector<Problem> take() { return problems_.empty() ? std::move(outer_) : std::move(problems_); }

 private:
  void note(std::string path, std::string message) {
    if (problems_.size() < kMaxProblems && once_.insert(path + '\n' + message).second) problems_.push_back({std::move(path), std::move(message)});
  }

  const Json& schema_;
  const Json& spec_;
  std::vector<Problem> problems_, outer_;
  std::set<std::string> once_;
};

}  // namespace

struct Schema::Compiled {
  Json document;
  valijson::Schema schema;
};

Schema::Schema(const Json& schema) {
  auto compiled = std::make_unique<Compiled>();
  compiled->document = expand_schema(schema);
  try {
    const auto bare = bare_schema(compiled->document);
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(bare), compiled->schema);
  } catch (const std::exception& error) {
    throw Error(ErrorCode::plugin_failed, std::string("the schema is not valid: ") + error.what());
  }
  compiled_ = std::move(compiled);
}

Schema::~Schema() = default;
Schema::Schema(Schema&&) noexcept = default;

const Json& Schema::document() const { return compiled_->document; }

Json Schema::normalise(const Json& spec) const {
  auto prepared = spec;
  prepare_spec(compiled_->document, prepared);
  std::vector<Problem> problems;
  Tokens path;
  refuse_huge_numbers(prepared, path, problems);
  if (!problems.empty()) throw Error(std::move(problems));
  try {
    valijson::Validator validator;
    valijson::ValidationResults results;
    const valijson::adapters::NlohmannJsonAdapter target(prepared);
    if (validator.validate(compiled_->schema, target, &results)) return prepared;
    Findings findings(compiled_->document, prepared);
    for (const auto& [context, description] : results) findings.add(context, description);
    problems = findings.take();
  } catch (const std::exception& error) {
    throw Error(ErrorCode::plugin_failed, "The type's schema cannot be applied", error.what());
  }
  if (problems.empty()) problems.push_back({"", "does not fit the type's schema"});
  throw Error(std::move(problems));
}

}  // namespace velocity::plugin
