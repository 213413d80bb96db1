// JSON from outside, parsed with its limits. Included by whatever reads a body, a plugin's reply or a stored document.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace velocity::model {

using Json = nlohmann::json;

inline constexpr int kMaxJsonDepth = 32;

// Parses one JSON document. Throws Error(request_malformed) for anything that is not UTF-8 JSON, is nested deeper than kMaxJsonDepth,
// or has an object with the same key twice (the library alone would keep the last silently).
Json parse_json(std::string_view text);

// Text for the wire. Never throws: what is not UTF-8 is replaced.
std::string dump_json(const Json& value);

}  // namespace velocity::model
