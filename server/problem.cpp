#include "server/problem.hpp"

#include <array>
#include <stdexcept>
#include <utility>

namespace velocity::server {
namespace {

using model::ErrorCode;

// The one table from our codes to HTTP. tests/rest checks that it names every code once.
constexpr std::pair<ErrorCode, int> kStatuses[] = {
    {ErrorCode::request_malformed, 400},
    {ErrorCode::request_invalid, 400},
    {ErrorCode::request_too_large, 413},
    {ErrorCode::request_header_too_large, 431},
    {ErrorCode::request_target_too_long, 414},
    {ErrorCode::request_timeout, 408},
    {ErrorCode::request_not_understood, 415},
    {ErrorCode::request_method_not_allowed, 405},
    {ErrorCode::request_unknown_path, 404},
    {ErrorCode::request_foreign_origin, 403},
    {ErrorCode::request_wrong_host, 421},
    {ErrorCode::request_too_many, 429},
    {ErrorCode::request_expectation, 417},
    {ErrorCode::request_not_implemented, 501},
    {ErrorCode::request_version, 505},
    {ErrorCode::request_key_reused, 422},
    {ErrorCode::request_in_progress, 409},
    {ErrorCode::auth_required, 401},
    {ErrorCode::auth_expired, 401},
    {ErrorCode::auth_failed, 403},
    {ErrorCode::auth_refused, 403},
    {ErrorCode::auth_too_many, 429},
    {ErrorCode::user_denied, 403},
    {ErrorCode::user_not_found, 404},
    {ErrorCode::user_name_taken, 409},
    {ErrorCode::group_denied, 403},
    {ErrorCode::group_not_found, 404},
    {ErrorCode::group_name_taken, 409},
    {ErrorCode::group_protected, 406},
    {ErrorCode::catalog_denied, 401},
    {ErrorCode::catalog_not_found, 404},
    {ErrorCode::share_not_found, 404},
    {ErrorCode::resource_denied, 401},
    {ErrorCode::resource_not_found, 404},
    {ErrorCode::resource_label_taken, 409},
    {ErrorCode::resource_in_use, 409},
    {ErrorCode::resource_gone, 409},
    {ErrorCode::resource_linked, 409},
    {ErrorCode::pool_denied, 401},
    {ErrorCode::pool_not_found, 404},
    {ErrorCode::pool_name_taken, 409},
    {ErrorCode::pool_in_use, 409},
    {ErrorCode::resource_found, 409},
    {ErrorCode::quota_denied, 401},
    {ErrorCode::quota_exceeded, 406},
    {ErrorCode::machine_denied, 401},
    {ErrorCode::machine_not_found, 404},
    {ErrorCode::machine_name_taken, 409},
    {ErrorCode::machine_state_impossible, 403},
    {ErrorCode::machine_busy, 409},
    {ErrorCode::machine_running, 409},
    {ErrorCode::machine_not_running, 409},
    {ErrorCode::machine_boot_disk, 409},
    {ErrorCode::display_not_found, 404},
    {ErrorCode::snapshot_not_found, 404},
    {ErrorCode::snapshot_name_taken, 409},
    {ErrorCode::snapshot_impossible, 409},
    {ErrorCode::machine_hypervisor_failed, 500},
    {ErrorCode::type_not_found, 404},
    {ErrorCode::type_unavailable, 409},
    {ErrorCode::upload_not_found, 404},
    {ErrorCode::upload_offset_mismatch, 409},
    {ErrorCode::upload_busy, 423},
    {ErrorCode::upload_version, 412},
    {ErrorCode::upload_checksum, 460},
    {ErrorCode::request_range, 416},
    {ErrorCode::image_format_mismatch, 422},
    {ErrorCode::image_backing_file, 422},
    {ErrorCode::image_data_file, 422},
    {ErrorCode::image_encrypted, 422},
    {ErrorCode::image_unsupported, 422},
    {ErrorCode::image_corrupt, 422},
    {ErrorCode::image_truncated, 422},
    {ErrorCode::storage_full, 507},
    {ErrorCode::storage_failed, 500},
    {ErrorCode::hypervisor_unavailable, 503},
    {ErrorCode::hypervisor_timeout, 503},
    {ErrorCode::hypervisor_refused, 500},
    {ErrorCode::hypervisor_not_found, 500},
    {ErrorCode::hypervisor_wrong_state, 500},
    {ErrorCode::hypervisor_failed, 500},
    {ErrorCode::network_failed, 500},
    {ErrorCode::network_port_taken, 409},
    {ErrorCode::plugin_failed, 500},
    {ErrorCode::server_busy, 503},
    {ErrorCode::server_timeout, 504},
    {ErrorCode::server_internal, 500},
};

constexpr std::pair<int, const char*> kTitles[] = {
    {400, "Bad Request"},       {401, "Unauthorized"},          {403, "Forbidden"},
    {404, "Not Found"},         {405, "Method Not Allowed"},    {406, "Not Acceptable"},
    {408, "Request Timeout"},   {409, "Conflict"},              {412, "Precondition Failed"},
    {413, "Content Too Large"}, {414, "URI Too Long"},          {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"}, {460, "Checksum Mismatch"},
    {417, "Expectation Failed"}, {421, "Misdirected Request"},  {422, "Unprocessable Content"},
    {423, "Locked"},            {429, "Too Many Requests"},     {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"}, {501, "Not Implemented"},   {503, "Service Unavailable"},
    {504, "Gateway Timeout"},   {505, "HTTP Version Not Supported"}, {507, "Insufficient Storage"},
};

}  // namespace

int http_status(ErrorCode code) {
  for (const auto& [entry, status] : kStatuses)
    if (entry == code) return status;
  return 500;
}

const char* http_title(int status) {
  for (const auto& [entry, title] : kTitles)
    if (entry == status) return title;
  return "Error";
}

model::Json problem_document(const model::Error& error, const std::string& request_id) {
  const int status = http_status(error.code());
  model::Json document{{"status", status}, {"title", http_title(status)}, {"code", name(error.code())}, {"message", error.message()}};
  if (status == 500 && error.code() != ErrorCode::machine_hypervisor_failed)
    document["message"] = "The server failed to do this. The log has the cause under the request id";
  if (status == 500) document["request_id"] = request_id;
  if (!error.problems().empty()) {
    auto& problems = document["problems"] = model::Json::array();
    for (const auto& problem : error.problems()) problems.push_back({{"path", problem.path}, {"message", problem.message}});
  }
  for (const auto& [member, value] : error.members()) document[member] = value;
  return document;
}

int retry_after(ErrorCode code) {
  switch (http_status(code)) {
    case 429: return 5;
    case 503: return 2;
    default: return 0;
  }
}

std::string retry_after(const model::Error& error) {
  for (const auto& [member, value] : error.members())
    if (member == "retry_after") return value;
  const int seconds = retry_after(error.code());
  return seconds > 0 ? std::to_string(seconds) : std::string();
}

}  // namespace velocity::server
