#include "server/edge/access_log.hpp"

#include <spdlog/spdlog.h>

namespace velocity::edge {

void AccessLog::write(const Request& request, unsigned status, std::size_t bytes, Clock::duration took) const {
  auto* logger = logger_ ? logger_.get() : spdlog::default_logger_raw();
  const auto method = request.path.empty() ? beast::string_view("-") : http::to_string(request.method);  // "<unknown>" for one that HTTP has not
  // A path was found to have no control characters; one that was not read to the end is not shown.
  logger->info("{} {} {} {} B {:.1f} ms id={} peer={}", std::string_view(method.data(), method.size()),
               request.path.empty() ? "-" : request.path, status, bytes, std::chrono::duration<double, std::milli>(took).count(),
               request.id, request.peer);
}

void log_refusal(const model::Error& error, const std::string& request_id, unsigned status) {
  if (error.detail().empty()) return;
  spdlog::log(status >= 500 ? spdlog::level::warn : spdlog::level::debug, "{}: {}", request_id, error.what());
}

}  // namespace velocity::edge
