#include "server/edge/upload_reception.hpp"

#include <algorithm>
#include <span>

namespace velocity::edge {

using model::Error;
using model::ErrorCode;

awaitable<void> UploadReception::receive(IncomingBody& body, std::optional<std::uint64_t> content_length) {
  const auto wanted = static_cast<std::uint64_t>(writer_.length() - writer_.offset());
  if (content_length && *content_length > wanted)
    throw Error(ErrorCode::request_too_large, "These are more bytes than the upload has announced");
  std::exception_ptr failure;
  try {
    co_await fill_and_write(body);
  } catch (...) {
    failure = std::current_exception();
  }
  // The block that is being written must not go away before it has been, whatever happened; and why the disk or the inspection refused
  // says more than what reading had to complain of.
  co_await writing_.finished();
  if (failure) std::rethrow_exception(failure);
}

awaitable<void> UploadReception::fill_and_write(IncomingBody& body) {
  for (auto& block : blocks_) block.resize(kBlock);
  auto left = static_cast<std::uint64_t>(writer_.length() - writer_.offset());
  for (std::size_t turn = 0;; ++turn) {
    auto& block = blocks_[turn % blocks_.size()];
    const auto count = co_await body.read_some(net::buffer(block));
    co_await writing_.finished();
    if (count == 0) co_return;
    const auto fits = static_cast<std::size_t>(std::min<std::uint64_t>(count, left));
    left -= fits;
    // What arrived is written at once, however little it is: the next may be long in coming.
    if (fits > 0)
      writing_.start(
          [this, bytes = std::span<const std::byte>(block.data(), fits)] {
            if (digest_) digest_->update(bytes);
            writer_.append(bytes);
          },
          [&body] { body.interrupt(); });
    if (fits < count) throw Error(ErrorCode::request_too_large, "These are more bytes than the upload has announced");
  }
}

}  // namespace velocity::edge
