// From what a client sent to one JSON object: body, form, query string, and the credential among them. Included by
// the guard, and by what the edge serves itself.
#pragma once

#include <string>
#include <string_view>

#include "framework/model/json.hpp"

namespace velocity::server {

using model::Json;

// The body as an object: JSON whatever its content type says, a form only if it is labelled as one and does not begin like JSON.
// Nothing is {}. Throws request_malformed, request_invalid (not an object), request_not_understood (multipart).
Json read_body(std::string_view body, std::string_view content_type);

// a=1&b=2, decoded: every value a string, a repeated name an array of them. Throws request_malformed.
Json read_form(std::string_view text);

// Adds the query's parameters to the body's. One that stands in both with different values is a problem of the request.
void merge_query(Json& fields, const Json& query);

// The authkey out of the body (taken out of `fields`) or the Authorization header; empty when there is none. Different ones in both:
// request_invalid.
std::string take_authkey(Json& fields, std::string_view authorization);

// An authkey in a URL ends up in histories and logs: request_invalid.
void refuse_authkey_in_query(const Json& query);

}  // namespace velocity::server
