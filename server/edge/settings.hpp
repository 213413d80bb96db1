// All that can be set about the edge. Included by the daemon, which fills it from its configuration.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace spdlog {
class logger;
}

namespace velocity::edge {

struct EdgeLimits {
  std::size_t header = 16 * 1024;               // bytes of request line and header fields together; beyond it 431
  std::size_t target = 8 * 1024;                // bytes of the request target; beyond it 414
  std::size_t segments = 64;                    // of a path
  std::size_t body = 256 * 1024;                // bytes of a request that is handed on; beyond it 413
  std::size_t connections = 10'000;             // open at once
  std::size_t queue = 1'024;                    // requests that wait for a free worker; beyond it 503
  std::size_t answer = 64 << 20;                // bytes of one worker's answer
  std::size_t unsent = 512 << 20;               // bytes of answers that wait for slow clients, all together; beyond it 503
  std::size_t uploads = 64;                     // images on their way in at once; beyond it 503
  std::size_t downloads = 64;                   // images on their way out at once; beyond it 503
  std::int64_t upload = std::int64_t{1} << 40;  // bytes of one image, told to clients as Tus-Max-Size
};

struct EdgeTimeouts {
  using Duration = std::chrono::milliseconds;
  Duration header = std::chrono::seconds(10);   // from a request's first byte (or the connection's begin) to its header's end
  Duration body = std::chrono::seconds(30);     // between two arrivals of a request's body
  Duration idle = std::chrono::seconds(60);     // between two requests
  Duration write = std::chrono::seconds(30);    // between two departures of an answer
  Duration linger = std::chrono::seconds(2);    // how long a refused client's further bytes are swallowed, so that it reads the refusal
  Duration handler = std::chrono::seconds(90);  // from the request's end to the worker's answer; then 504
  Duration alarm = std::chrono::seconds(120);   // a worker that has not answered for so long is named in the log
  Duration drain = std::chrono::seconds(10);    // for requests in flight when the server stops
};

struct EdgeSettings {
  std::string listen = "127.0.0.1:4567";  // ADDRESS:PORT, an IPv6 address in brackets; port 0 takes any that is free
  EdgeLimits limits;
  EdgeTimeouts timeouts;

  // TLS is spoken when both are given: PEM files, the certificate with its chain.
  std::filesystem::path certificate;
  std::filesystem::path private_key;

  // A reverse proxy stands before us: listening beyond loopback without TLS is allowed, and the peer is the last entry of X-Forwarded-For.
  bool trusted_proxy = false;

  std::vector<std::string> hosts;    // further names that a Host header may carry
  std::vector<std::string> origins;  // web pages from elsewhere that may call us, for example "https://console.example.org"

  std::shared_ptr<spdlog::logger> access_log;  // null: the default logger
};

}  // namespace velocity::edge
