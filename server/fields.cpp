#include "server/fields.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <boost/url/params_view.hpp>
#include <boost/url/parse_query.hpp>

#include "framework/model/error.hpp"

namespace velocity::server {
namespace {

using model::Error;
using model::ErrorCode;
using model::Problem;

constexpr std::size_t kMaxParameters = 1000;
constexpr std::size_t kMaxAuthkeyBytes = 512;

bool begins_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), text.begin(),
                                                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

std::string_view without_space_around(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

void require_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());  // its strict mode is the UTF-8 check that we have
  } catch (const Json::type_error&) {
    throw Error(ErrorCode::request_malformed, "A parameter is not UTF-8");
  }
}

// As text, so that 5 in a body and "5" in a query are the same.
std::string as_text(const Json& value) { return value.is_string() ? value.get<std::string>() : model::dump_json(value); }

std::string pointer_to(const std::string& field) {
  std::string path = "/";
  for (const char c : field) {
    if (c == '~') path += "~0";
    else if (c == '/') path += "~1";
    else path += c;
  }
  return path;
}

}  // namespace

Json read_form(std::string_view text) {
  const auto parsed = boost::urls::parse_query({text.data(), text.size()});
  if (!parsed)
    throw Error(ErrorCode::request_malformed, "The form or query string is not percent-encoded correctly", parsed.error().message());
  if (parsed->size() > kMaxParameters) throw Error(ErrorCode::request_malformed, "The form or query string has more than 1000 parameters");
  boost::urls::encoding_opts plus;
  plus.space_as_plus = true;
  Json object = Json::object();
  for (const auto& parameter : *parsed) {
    if (parameter.key.empty() && !parameter.has_value) continue;  // "", "a=1&", "&a=1"
    const std::string key = parameter.key.decode(plus);
    std::string value = parameter.value.decode(plus);
    require_utf8(key);
    require_utf8(value);
    const auto known = object.find(key);
    if (known == object.end()) {
      object[key] = std::move(value);
      continue;
    }
    if (!known->is_array()) *known = Json::array({std::move(*known)});
    known->push_back(std::move(value));
  }
  return object;
}

Json read_body(std::string_view body, std::string_view content_type) {
  body = without_space_around(body);
  if (body.empty()) return Json::object();
  if (begins_with_ignoring_case(content_type, "multipart/"))
    throw Error(ErrorCode::request_not_understood, "The body must be JSON or a form in application/x-www-form-urlencoded");
  const bool looks_like_json = body.front() == '{' || body.front() == '[';
  if (!looks_like_json && begins_with_ignoring_case(content_type, "application/x-www-form-urlencoded")) return read_form(body);
  Json document;
  try {
    document = model::parse_json(body);
  } catch (const Json::out_of_range& error) {  // 1e999 is correct JSON that no number here can hold
    throw Error(ErrorCode::request_malformed, "The JSON has a number that is too large", error.what());
  }
  if (!document.is_object()) throw Error(std::vector<Problem>{{"", "must be an object"}});
  return document;
}

void merge_query(Json& fields, const Json& query) {
  std::vector<Problem> problems;
  for (const auto& [key, value] : query.items()) {
    const auto in_body = fields.find(key);
    if (in_body == fields.end()) fields[key] = value;
    else if (as_text(*in_body) != as_text(value))
      problems.push_back({pointer_to(key), "is one thing in the body and another in the query string"});
  }
  if (!problems.empty()) throw Error(std::move(problems));
}

std::string take_authkey(Json& fields, std::string_view authorization) {
  constexpr std::string_view kBearer = "Bearer ";
  std::string from_header;
  if (begins_with_ignoring_case(authorization, kBearer)) from_header = without_space_around(authorization.substr(kBearer.size()));
  std::string from_body;
  if (const auto field = fields.find("authkey"); field != fields.end()) {
    if (!field->is_string() && !field->is_null()) throw Error(std::vector<Problem>{{"/authkey", "must be a string"}});
    if (field->is_string()) from_body = field->get<std::string>();
    fields.erase(field);
  }
  if (from_body.size() > kMaxAuthkeyBytes || from_header.size() > kMaxAuthkeyBytes)
    throw Error(std::vector<Problem>{{"/authkey", "is too long"}});
  if (!from_body.empty() && !from_header.empty() && from_body != from_header)
    throw Error(std::vector<Problem>{{"/authkey", "is one thing in the body and another in the Authorization header"}});
  return from_body.empty() ? from_header : from_body;
}

void refuse_authkey_in_query(const Json& query) {
  if (query.contains("authkey"))
    throw Error(std::vector<Problem>{{"/authkey", "must not stand in the URL: send it in the body or as \"Authorization: Bearer\""}});
}

}  // namespace velocity::server
