#include "server/rest/guard.hpp"

#include <algorithm>
#include <ctime>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "server/fields.hpp"
#include "server/problem.hpp"

namespace velocity::rest {
namespace {

using model::Error;
using model::ErrorCode;

constexpr int kInternalStatus = 500;
constexpr int kUnauthorized = 401;
constexpr char kJsonType[] = "application/json";
constexpr int kFirstError = 400;
constexpr std::size_t kMaxKey = 255;

// As a JSON string: what a client sent must not forge lines of the log.
std::string one_line(const char* text) { return model::dump_json(text); }

// JSON ends in a newline: people read it in terminals.
Answer ended(Answer&& answer) {
  if (!answer.body.empty() && answer.body.back() != '\n' && (answer.type == kJsonType || answer.type == server::kProblemType)) answer.body += '\n';
  return std::move(answer);
}

// For the one moment in which not even an error document can be made.
Answer last_resort() noexcept {
  Answer answer;
  answer.status = kInternalStatus;
  return answer;
}

}  // namespace

const char* name(Method method) {
  switch (method) {
    case Method::get: return "GET";
    case Method::post: return "POST";
    case Method::put: return "PUT";
    case Method::patch: return "PATCH";
    case Method::remove: return "DELETE";
    case Method::options: return "OPTIONS";
  }
  return "?";
}

Guard::Guard(const service::Sessions& sessions, service::Replies& replies, std::shared_ptr<spdlog::logger> log, std::vector<Route> routes)
    : sessions_(sessions), replies_(replies), log_(std::move(log)) {
  for (auto& route : routes) {
    const auto path = route.path;
    const auto method = route.method;
    if (!offers_[path].emplace(method, std::move(route)).second)
      throw std::logic_error(std::string("two routes for ") + name(method) + " " + path);
  }
}

Answer Guard::answer(const Offer& offer, Incoming&& incoming) const noexcept {
  try {
    const std::string id = incoming.id;
    try {
      const auto route = offer.find(incoming.method);
      return ended(route == offer.end() ? not_allowed(offer, incoming) : serve(route->second, std::move(incoming)));
    } catch (...) {
      return ended(current_failure(id));
    }
  } catch (...) {
    return last_resort();
  }
}

Answer Guard::unknown_path(const Incoming& incoming) const noexcept {
  try {
    return ended(failure(Error(ErrorCode::request_unknown_path, "There is nothing at this path"), incoming.id));
  } catch (...) {
    return last_resort();
  }
}

Answer Guard::serve(const Route& route, Incoming&& incoming) const {
  const Json query = server::read_form(incoming.query);
  server::refuse_authkey_in_query(query);
  Request request;
  request.fields = server::read_body(incoming.body, incoming.content_type);
  std::string authkey = server::take_authkey(request.fields, incoming.authorization);
  // Who is asking comes before what is wrong with the question.
  if (route.credential == Credential::caller) request.who = sessions_.caller(authkey);
  if (route.credential == Credential::key) request.authkey = std::move(authkey);
  // Many clients cannot send a body with these two.
  if (route.method == Method::get || route.method == Method::remove) server::merge_query(request.fields, query);
  request.path = std::move(incoming.path);
  request.id = std::move(incoming.id);
  request.peer = std::move(incoming.peer);
  const bool may_come_again = route.method == Method::put && request.who && !incoming.idempotency_key.empty();
  return may_come_again ? serve_once(route, request, incoming.idempotency_key) : route.handler(request);
}

// A retry gets what the first request was answered, whatever that was.
Answer Guard::serve_once(const Route& route, Request& request, const std::string& key) const {
  if (key.size() > kMaxKey || !std::all_of(key.begin(), key.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; }))
    throw Error(std::vector<model::Problem>{{"", fmt::format("The header Idempotency-Key must have 1 to {} printable characters", kMaxKey)}});
  model::Reply reply;
  reply.uid = request.caller().uid();
  reply.key = key;
  auto fields = request.fields;
  fields.erase("password");
  reply.request = service::fingerprint(route.path + model::dump_json(Json(request.path)) + model::dump_json(fields));
  reply.created = static_cast<std::int64_t>(std::time(nullptr));
  if (const auto before = replies_.begin(reply)) {
    Answer answer{before->status, before->body, before->body.empty() ? "" : kJsonType, {}};
    if (answer.status >= kFirstError) answer.type = server::kProblemType;
    return answer;
  }
  request.who->set_request(std::make_shared<const model::Reply>(reply));
  Answer answer;
  try {
    answer = route.handler(request);
  } catch (...) {
    answer = current_failure(request.id);
  }
  reply.status = answer.status;
  reply.body = answer.body;
  replies_.end(reply);
  return answer;
}

Answer Guard::not_allowed(const Offer& offer, const Incoming& incoming) const {
  const auto& [first_method, first] = *offer.begin();
  static_cast<void>(first_method);
  if (first.known && !incoming.path.empty() && !first.known(incoming.path.begin()->second)) return unknown_path(incoming);
  std::string allowed;
  for (const auto& [method, route] : offer) {
    if (!allowed.empty()) allowed += ", ";
    allowed += name(method);
    if (method == Method::get) allowed += ", HEAD";
  }
  auto answer = failure(Error(ErrorCode::request_method_not_allowed, "This path offers " + allowed), incoming.id);
  answer.headers.emplace_back(kAllowHeader, std::move(allowed));
  return answer;
}

Answer Guard::failure(const Error& error, const std::string& id) const {
  Answer answer{server::http_status(error.code()), model::dump_json(server::problem_document(error, id)), server::kProblemType, {}};
  if (auto seconds = server::retry_after(error); !seconds.empty()) answer.headers.emplace_back(kRetryAfterHeader, std::move(seconds));
  if (answer.status == kUnauthorized && (error.code() == ErrorCode::auth_required || error.code() == ErrorCode::auth_expired))
    answer.headers.emplace_back(kAuthenticateHeader, "Bearer");
  if (answer.status >= kInternalStatus) log_->error("request {}: {}: {}", id, model::name(error.code()), one_line(error.what()));
  else if (!error.detail().empty()) log_->debug("request {}: {}: {}", id, model::name(error.code()), one_line(error.what()));
  return answer;
}

Answer Guard::current_failure(const std::string& id) const {
  try {
    throw;
  } catch (const Error& error) {
    return failure(error, id);
  } catch (const std::exception& error) {
    return failure(Error(ErrorCode::server_internal, "The server failed to do this", error.what()), id);
  } catch (...) {
    return failure(Error(ErrorCode::server_internal, "The server failed to do this", "something that is no exception was thrown"), id);
  }
}

}  // namespace velocity::rest
