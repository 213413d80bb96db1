// The TLS context made from the certificate that the administrator configured. Included by the server's start.
#pragma once

#include <filesystem>

#include "server/edge/asio.hpp"

namespace velocity::edge {

// TLS 1.2 and later, HTTP/1.1 only. Throws std::runtime_error naming the file when it cannot be used.
net::ssl::context make_tls_context(const std::filesystem::path& certificate, const std::filesystem::path& private_key);

}  // namespace velocity::edge
