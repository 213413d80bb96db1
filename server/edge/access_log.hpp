// One line for each request. Included by the connection.
#pragma once

#include <cstddef>
#include <memory>

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

}  // namespace velocity::edge
