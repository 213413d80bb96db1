// Downloads at /r/content: the bytes of an image, from its file to the client. Included by the connection.
#pragma once

#include <memory>
#include <string_view>

#include "server/edge/answer.hpp"
#include "server/edge/background.hpp"
#include "server/edge/incoming_body.hpp"
#include "server/edge/settings.hpp"

namespace velocity::service {
class Caller;
struct Services;
}  // namespace velocity::service

namespace velocity::edge {

// Used on the socket thread only; everything that touches the disk runs on a pool of its own.
class ContentRoutes {
 public:
  static bool serves(std::string_view path) { return path == "/r/content"; }

  ContentRoutes(net::io_context& io, const EdgeSettings& settings, service::Services& services);
  ~ContentRoutes();  // waits for the work that has been started; no answer of it may be left

  awaitable<Answer> answer(const Request& request, IncomingBody& body);  // throws no Error

 private:
  class Download;
  awaitable<Answer> serve(const Request& request, IncomingBody& body);
  net::io_context& io_;
  const EdgeSettings& settings_;
  service::Services& services_;
  std::shared_ptr<std::size_t> sending_ = std::make_shared<std::size_t>(0);
  net::thread_pool disk_{4};
};

}  // namespace velocity::edge
