// The server's own log and the log of requests. Included by the composition root.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <spdlog/logger.h>

namespace velocity::daemon {

// Sets the default logger (standard error and velocityd.log) and makes the access log (access.log), both in `directory` and bounded in
// size. Their last lines are on disk when it is destroyed.
class Logs {
 public:
  Logs(const std::filesystem::path& directory, const std::string& level);
  ~Logs();
  Logs(const Logs&) = delete;
  Logs& operator=(const Logs&) = delete;

  const std::shared_ptr<spdlog::logger>& server() const { return server_; }
  const std::shared_ptr<spdlog::logger>& access() const { return access_; }

 private:
  std::shared_ptr<spdlog::logger> server_;
  std::shared_ptr<spdlog::logger> access_;
};

}  // namespace velocity::daemon
