// A route as data: what the guard runs and what the OpenAPI document is made from. Included by the route tables and the guard; a table
// needs nothing else of this room but wire.hpp.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/model/json.hpp"
#include "framework/service/caller.hpp"

namespace velocity::rest {

using model::Json;

enum class Method { get, post, put, patch, remove, options };
const char* name(Method method);  // GET, POST, PUT, PATCH, DELETE, OPTIONS

enum class Credential {
  none,    // anybody may call
  key,     // the handler gets the authkey as it came, be it valid or not
  caller,  // without a valid authkey the handler is not called
};

// What a handler gets. `fields` is the body's object with the query's parameters, and without the authkey.
struct Request {
  Json fields = Json::object();
  std::map<std::string, std::string> path;  // parameters of the pattern: {"type": "efi"}
  std::string authkey;                      // with Credential::key
  std::string id;                           // the request's id, as in the log
  std::string peer;                         // the client's address
  std::optional<service::Caller> who;       // with Credential::caller

  const service::Caller& caller() const { return who.value(); }
};

struct Answer {
  int status = 200;
  std::string body;
  std::string type;                                          // of the body; empty without one
  std::vector<std::pair<std::string, std::string>> headers;  // those of kAnswerHeaders only

  static Answer empty() { return {}; }
  static Answer json(const Json& document, int status = 200) { return {status, model::dump_json(document), "application/json", {}}; }
  static Answer text(std::string body) { return {200, std::move(body), "text/plain; charset=utf-8", {}}; }
};

// The headers that an answer may carry beside its type. The backend has a class for each: Pistache sends no others.
inline constexpr const char* kAllowHeader = "Allow";
inline constexpr const char* kRetryAfterHeader = "Retry-After";
inline constexpr const char* kAuthenticateHeader = "WWW-Authenticate";

inline constexpr bool kFromMemory = true;

struct Route {
  Method method = Method::get;
  std::string path;  // "/v/state", "/v/:type"
  Credential credential = Credential::caller;
  std::string summary;     // one line: what it does
  std::string permission;  // who may; empty: everybody with an authkey
  std::function<Answer(Request&)> handler;
  // For a pattern with a parameter: whether there is such a thing, so that another method on it is 405 rather than 404.
  std::function<bool(const std::string&)> known = {};
  // A GET that waits for nothing: no database, no hypervisor, no file. It is answered even while every worker waits for something slow.
  bool from_memory = false;
};

}  // namespace velocity::rest
