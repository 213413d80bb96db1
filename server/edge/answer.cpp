#include "server/edge/answer.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "framework/model/json.hpp"
#include "server/edge/body_source.hpp"
#include "server/problem.hpp"

namespace velocity::edge {
namespace {

bool same_name(std::string_view left, std::string_view right) {
  return beast::iequals(beast::string_view(left.data(), left.size()), beast::string_view(right.data(), right.size()));
}

// What a page from a configured origin may read beside the body.
constexpr char kExposed[] = "X-Request-Id, Location, ETag, Retry-After, Tus-Resumable, Upload-Offset, Upload-Length, Upload-Expires, "
                             "Velocity-Resource, Content-Range, Content-Disposition, Accept-Ranges";

constexpr char kMethods[] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
constexpr char kAllowedFields[] =
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Accept, Tus-Resumable, Upload-Length, Upload-Offset, "
    "Upload-Metadata, Upload-Checksum, X-HTTP-Method-Override, Range, If-Range";

void append(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

bool Answer::has(std::string_view name) const {
  return std::any_of(fields.begin(), fields.end(), [&](const auto& field) { return same_name(field.first, name); });
}

Answer problem_answer(const model::Error& error, const std::string& request_id) {
  Answer answer;
  answer.status = static_cast<unsigned>(server::http_status(error.code()));
  answer.set("Content-Type", server::kProblemType);
  if (const int seconds = server::retry_after(error.code()); seconds > 0) answer.set("Retry-After", std::to_string(seconds));
  answer.body = model::dump_json(server::problem_document(error, request_id)) + '\n';
  return answer;
}

Answer preflight_answer(const Request& request) {
  Answer answer;
  answer.status = 204;
  answer.set("Allow", kMethods);
  if (!request.cross_origin.empty() && !request.field(http::field::access_control_request_method).empty()) {
    answer.set("Access-Control-Allow-Methods", kMethods);
    answer.set("Access-Control-Allow-Headers", kAllowedFields);
    answer.set("Access-Control-Max-Age", "600");
  }
  return answer;
}

std::string date_text(std::int64_t second) { return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(static_cast<std::time_t>(second))); }

const std::string& HttpDate::now() {
  const auto second = static_cast<std::int64_t>(std::time(nullptr));
  if (second != second_) {
    second_ = second;
    text_ = date_text(second);
  }
  return text_;
}

bool has_body(unsigned status) { return status != 204 && status != 304; }

std::string header_text(const Answer& answer, const Request& request, bool keep_alive, const std::string& date) {
  const auto known = http::int_to_status(answer.status);
  const auto reason = http::obsolete_reason(known);
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", answer.status,
                                 known == http::status::unknown ? server::http_title(static_cast<int>(answer.status)) : std::string_view(reason.data(), reason.size()));
  text.reserve(1024);
  append(text, "Server", "Velocity");
  append(text, "Date", date);
  append(text, "X-Request-Id", request.id);
  append(text, "X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : answer.fields) append(text, name, value);
  if (!answer.has("Cache-Control")) append(text, "Cache-Control", "no-store");
  if (!answer.has("Referrer-Policy")) append(text, "Referrer-Policy", "no-referrer");
  if (!answer.has("X-Frame-Options")) append(text, "X-Frame-Options", "DENY");
  if (answer.status == 401 && !answer.has("WWW-Authenticate")) append(text, "WWW-Authenticate", "Bearer");
  if (!request.cross_origin.empty()) {
    append(text, "Access-Control-Allow-Origin", request.cross_origin);
    append(text, "Access-Control-Expose-Headers", kExposed);
    append(text, "Vary", "Origin");
  }
  if (!keep_alive) {
    append(text, "Connection", "close");
  } else if (request.version_1_0) {
    append(text, "Connection", "keep-alive");
  }
  if (has_body(answer.status)) append(text, "Content-Length", std::to_string(answer.source ? answer.source->length() : answer.body.size()));
  text += "\r\n";
  return text;
}

}  // namespace velocity::edge
