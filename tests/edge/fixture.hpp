// An edge on a free port with workers behind it. Included by the edge's tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>

#include "server/edge/server.hpp"
#include "tests/edge/wire.hpp"
#include "tests/edge/workers.hpp"

namespace velocity::edge::testing {

class EdgeTest : public ::testing::Test {
 protected:
  EdgeTest() {
    settings.listen = "127.0.0.1:0";
    settings.limits.connections = 200;
    settings.timeouts.linger = std::chrono::milliseconds(300);
    settings.access_log = std::make_shared<spdlog::logger>("access", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
  }

  ~EdgeTest() override { stop(); }

  // Settings are altered before.
  std::uint16_t start(std::size_t count = 2, Handler handler = mirror, std::size_t readers = 0) {
    workers = std::make_unique<Workers>(count, std::move(handler), readers);
    server = std::make_unique<EdgeServer>(settings, *workers);
    return server->port();
  }

  void stop() {
    server.reset();
    workers.reset();
  }

  std::ostringstream log;  // read after stop()
  EdgeSettings settings;
  std::unique_ptr<Workers> workers;
  std::unique_ptr<EdgeServer> server;
};

inline std::string get(const std::string& target, const std::string& more_fields = {}) {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more_fields + "\r\n";
}

inline std::string post(const std::string& target, const std::string& body, const std::string& more_fields = {}) {
  return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more_fields +
         "\r\n" + body;
}

}  // namespace velocity::edge::testing
