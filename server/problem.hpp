// How an error leaves the house: our code → HTTP status, and the application/problem+json body (RFC 9457). Included by the edge and
// the REST room; nothing else turns an error into an answer.
#pragma once

#include <string>

#include "framework/model/error.hpp"
#include "framework/model/json.hpp"

namespace velocity::server {

inline constexpr char kProblemType[] = "application/problem+json";

int http_status(model::ErrorCode code);
const char* http_title(int status);

// status, title, code, message, problems (when there are any) and the error's members. A 500 has a fixed message and the request id; the cause stays in the log.
model::Json problem_document(const model::Error& error, const std::string& request_id);

// Seconds for Retry-After with 429 and 503; 0: no such header. Who knows better when to come again says so in the member `retry_after`.
int retry_after(model::ErrorCode code);
std::string retry_after(const model::Error& error);  // empty: no such header

}  // namespace velocity::server
