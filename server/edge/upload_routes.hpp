// Resumable uploads at /r/upload: tus 1.0 (https://tus.io/protocols/resumable-upload) with creation (with upload), checksum, expiration and termination.
// Included by the connection. What an upload is and what becomes of it is the upload service's affair.
#pragma once

#include <string>
#include <string_view>

#include "framework/model/uuid.hpp"
#include "server/edge/answer.hpp"
#include "server/edge/background.hpp"
#include "server/edge/incoming_body.hpp"
#include "server/edge/settings.hpp"

namespace velocity::service {
class Caller;
struct Services;
}  // namespace velocity::service

namespace velocity::edge {

// Used on the socket thread only; everything that touches the disk runs on pools of its own.
class UploadRoutes {
 public:
  static bool serves(std::string_view path);

  UploadRoutes(net::io_context& io, const EdgeSettings& settings, service::Services& services);
  ~UploadRoutes();  // waits for the work that has been started

  // Every answer, refusals too, has what tus asks for. Throws no Error.
  awaitable<Answer> answer(const Request& request, IncomingBody& body);

 private:
  awaitable<Answer> dispatch(const Request& request, IncomingBody& body);
  awaitable<Answer> create(const Request& request, const service::Caller& caller, IncomingBody& body);
  awaitable<Answer> status(const Request& request, const service::Caller& caller);
  awaitable<Answer> append(const Request& request, const service::Caller& caller, IncomingBody& body);
  awaitable<void> receive(const Request& request, const service::Caller& caller, model::UploadId id, std::int64_t offset, IncomingBody& body,
                          Answer& answer);
  awaitable<Answer> remove(const Request& request, const service::Caller& caller);
  Answer options(const Request& request) const;

  net::io_context& io_;
  const EdgeSettings& settings_;
  service::Services& services_;
  std::size_t receiving_ = 0;
  net::thread_pool disk_{4};
  net::thread_pool finishing_{2};  // apart: the rewriting of one image takes long, and must not hold up the others' bytes
};

}  // namespace velocity::edge
