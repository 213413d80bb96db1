#include "server/edge/tls.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <string_view>

namespace velocity::edge {
namespace {

void check(const error_code& ec, const std::filesystem::path& file, std::string_view what) {
  if (ec) throw std::runtime_error(fmt::format("{} cannot be used as the TLS {}: {}", file.string(), what, ec.message()));
}

// RFC 7301. A client that offers nothing we speak gets no protocol chosen: it may still try HTTP/1.1.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in, unsigned int in_length, void*) {
  static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kHttp11, sizeof kHttp11, in, in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

net::ssl::context make_tls_context(const std::filesystem::path& certificate, const std::filesystem::path& private_key) {
  net::ssl::context context(net::ssl::context::tls_server);
  context.set_options(net::ssl::context::default_workarounds | net::ssl::context::no_tlsv1 | net::ssl::context::no_tlsv1_1 |
                      net::ssl::context::no_compression | SSL_OP_NO_RENEGOTIATION);
  error_code ec;
  context.use_certificate_chain_file(certificate.string(), ec);
  check(ec, certificate, "certificate");
  context.use_private_key_file(private_key.string(), net::ssl::context::pem, ec);
  check(ec, private_key, "private key");
  if (SSL_CTX_check_private_key(context.native_handle()) != 1)
    throw std::runtime_error(fmt::format("{} is not the private key of the certificate {}", private_key.string(), certificate.string()));
  SSL_CTX_set_alpn_select_cb(context.native_handle(), choose_protocol, nullptr);
  return context;
}

}  // namespace velocity::edge
