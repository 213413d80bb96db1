// A request whose header has been read and found to be in order. Made by the vetting; included by whoever answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/edge/asio.hpp"

namespace velocity::edge {

struct Request {
  std::string id;  // of this request in the log and in X-Request-Id
  http::verb method{};
  std::string path;                      // canonical, see target.hpp
  std::string query;                     // raw, with its question mark; empty: none
  std::string peer;                      // an address
  const http::fields* fields = nullptr;  // lives while the request is served; a chunked body may add trailers to it
  std::optional<std::uint64_t> content_length;
  std::string cross_origin;  // the configured origin that the calling page is from; empty: none, or our own
  bool version_1_0 = false;
  bool keep_alive = false;
  bool expects_continue = false;

  std::string_view field(http::field name) const { return view((*fields)[name]); }
  std::string_view field(std::string_view name) const { return view((*fields)[beast::string_view(name.data(), name.size())]); }

 private:
  static std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }
};

}  // namespace velocity::edge
