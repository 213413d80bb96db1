// What is done to a schema and a spec before and after the validator: understanding keywords, filling defaults, words for people.
// Included by schema.cpp and by nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "framework/model/error.hpp"
#include "framework/model/json.hpp"

namespace velocity::plugin {

// The schema with its references written out and its annotations kept. Throws Error(plugin_failed) for a keyword that is not known here.
model::Json expand_schema(const model::Json& schema);

// The schema without annotations, as the validator is given it.
model::Json bare_schema(const model::Json& schema);

// Fills defaults and turns what forms and query strings can only write as text into what the schema wants.
void prepare_spec(const model::Json& schema, model::Json& value);

// What the schema wants in a place, for example "must be a whole number of at least 1". Empty if it cannot be said shortly.
std::string expectation(const model::Json& schema);

// The part of the schema that speaks of the place that the tokens lead to; null if there is none to be found by simple walking.
const model::Json* find_subschema(const model::Json& schema, const std::vector<std::string>& tokens);

}  // namespace velocity::plugin
