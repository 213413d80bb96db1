#include "server/daemon/logs.hpp"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace velocity::daemon {
namespace {

constexpr std::size_t kFileBytes = 10 << 20;
constexpr std::size_t kFiles = 5;
constexpr std::chrono::seconds kFlush{1};

spdlog::sink_ptr file_sink(const std::filesystem::path& file) {
  return std::make_shared<spdlog::sinks::rotating_file_sink_mt>(file.string(), kFileBytes, kFiles);
}

}  // namespace

Logs::Logs(const std::filesystem::path& directory, const std::string& level) {
  const auto screen = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  server_ = std::make_shared<spdlog::logger>("velocityd", spdlog::sinks_init_list{screen, file_sink(directory / "velocityd.log")});
  server_->set_level(spdlog::level::from_str(level));
  server_->flush_on(spdlog::level::info);
  server_->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_default_logger(server_);
  // Not flushed for each line: it is written on the thread that serves all sockets.
  access_ = std::make_shared<spdlog::logger>("access", file_sink(directory / "access.log"));
  access_->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %v");
  spdlog::register_logger(access_);
  spdlog::flush_every(kFlush);
}

Logs::~Logs() { spdlog::shutdown(); }

}  // namespace velocity::daemon
