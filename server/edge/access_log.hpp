// One line for each request. Included by the connection.
#pragma once

#include <cstddef>
#include <memory>

#include "framework/model/error.hpp"
#include "server/edge/request.hpp"

namespace spdlog {
class logger;
}

namespace velocity::edge {

// Says who asked for what and what became of it; never a query, a header field or a body, which may carry an authkey.
class AccessLog {
 public:
  explicit AccessLog(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}
  void write(const Request& request, unsigned status, std::size_t bytes, Clock::duration took) const;

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

// Why a request failed, beside its id: a warning for our own failures. What clients do wrong is worth a debug line only, or anybody could
// fill the log.
void log_refusal(const model::Error& error, const std::string& request_id, unsigned status);

}  // namespace velocity::edge
