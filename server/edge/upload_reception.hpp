// The bytes of one PATCH on their way to disk. Included by the upload routes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "framework/service/uploads.hpp"
#include "server/edge/background.hpp"
#include "server/edge/digest.hpp"
#include "server/edge/incoming_body.hpp"

namespace velocity::edge {

// Two blocks: one is filled from the client while the other is written, so memory does not grow with the image, and a disk that
// is slower than the client slows the client. Used on the socket thread.
class UploadReception {
 public:
  // `digest` is told every byte that is written, on the disk's threads; null: none is wanted.
  UploadReception(net::io_context& io, net::thread_pool& disk, service::Uploads::Writer& writer, Digest* digest)
      : writing_(io, disk), writer_(writer), digest_(digest) {}

  // Until the body's end or until the client has gone; what arrived has been appended in either case. Errors: the writer's,
  // at once even when the client still sends; request_too_large for bytes beyond the announced length.
  awaitable<void> receive(IncomingBody& body, std::optional<std::uint64_t> content_length);

 private:
  awaitable<void> fill_and_write(IncomingBody& body);
  static constexpr std::size_t kBlock = 256 * 1024;
  Background writing_;
  service::Uploads::Writer& writer_;
  Digest* digest_;
  std::array<std::vector<std::byte>, 2> blocks_;
};

}  // namespace velocity::edge
