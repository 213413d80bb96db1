#include "server/edge/vetting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "framework/model/error.hpp"
#include "server/edge/target.hpp"

namespace velocity::edge {
namespace {

namespace urls = boost::urls;
using model::Error;
using model::ErrorCode;

// The peer of whom nothing is known: no address that anybody has, and no loopback address.
constexpr char kUnknownPeer[] = "0.0.0.0";

[[noreturn]] void refuse(const char* why) { throw Error(ErrorCode::request_malformed, why); }

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

std::optional<Authority> find_authority(std::string_view text) {
  const auto parsed = urls::parse_authority(urls::string_view(text.data(), text.size()));
  if (!parsed || parsed->has_userinfo() || parsed->encoded_host().empty()) return std::nullopt;
  Authority authority;
  authority.host = lower(parsed->host_address());
  authority.port = std::string(parsed->port());
  authority.is_address = parsed->host_type() == urls::host_type::ipv4 || parsed->host_type() == urls::host_type::ipv6;
  return authority;
}

bool is_loopback_host(const Authority& authority) {
  if (!authority.is_address) return authority.host == "localhost" || authority.host == "localhost.";
  error_code ec;
  const auto address = net::ip::make_address(authority.host, ec);
  return !ec && address.is_loopback();
}

std::string port_or(const Authority& authority, bool tls) {
  if (!authority.port.empty()) return authority.port;
  return tls ? "443" : "80";
}

}  // namespace

Vetting::Vetting(const EdgeSettings& settings, bool loopback, bool tls)
    : limits_(settings.limits), loopback_(loopback), tls_(tls), trusted_proxy_(settings.trusted_proxy) {
  for (const auto& host : settings.hosts) hosts_.insert(lower(host));
  for (const auto& origin : settings.origins) origins_.insert(lower(origin));
}

void Vetting::check(const RequestParser& parser, Request& request) const {
  const auto& header = parser.get();
  request.method = header.method();
  request.fields = &header;
  request.version_1_0 = header.version() == 10;
  request.keep_alive = header.keep_alive();
  if (parser.content_length()) request.content_length = *parser.content_length();

  // It names no path, and what follows it would be another protocol. Every other method is answered by the path that it asks.
  if (request.method == http::verb::connect) throw Error(ErrorCode::request_not_implemented, "This server is no proxy");
  const auto raw = header.target();
  if (raw.size() > limits_.target)
    throw Error(ErrorCode::request_target_too_long, fmt::format("The address has more than {} bytes", limits_.target));

  Target target;
  if (raw == "*" && request.method == http::verb::options) {
    target.path = "*";
  } else {
    target = normalise_target({raw.data(), raw.size()}, limits_.segments);
  }
  request.path = target.path;
  request.query = target.query;

  check_framing(parser, request);
  check_fields(parser, request);
  check_origin(request, check_host(request, target.host));
  if (trusted_proxy_) request.peer = forwarded_peer(request);
}

// RFC 9112, section 6: whatever two servers could read in two ways is refused.
void Vetting::check_framing(const RequestParser& parser, const Request& request) const {
  const auto& fields = *request.fields;
  const auto lengths = fields.count(http::field::content_length);
  const auto encodings = fields.count(http::field::transfer_encoding);
  if (lengths > 1) refuse("The request has more than one Content-Length");
  if (lengths == 1) {
    const auto length = request.field(http::field::content_length);
    if (length.empty() || !std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; }))
      refuse("The Content-Length is not a number");
  }
  if (encodings == 0) return;
  if (lengths > 0) refuse("The request has both a Content-Length and a Transfer-Encoding");
  if (request.version_1_0) refuse("HTTP/1.0 has no Transfer-Encoding");
  if (encodings > 1) refuse("The request has more than one Transfer-Encoding");
  if (!parser.chunked() || !beast::iequals(fields[http::field::transfer_encoding], "chunked"))
    throw Error(ErrorCode::request_not_implemented, "Chunked is the only Transfer-Encoding that is understood");
}

void Vetting::check_fields(const RequestParser& parser, Request& request) const {
  for (const auto& field : parser.get())
    for (const char c : field.value())
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) refuse("A header field has a control character");

  if (const auto expected = request.field(http::field::expect); !expected.empty() && !request.version_1_0) {
    if (!beast::iequals((*request.fields)[http::field::expect], "100-continue"))
      throw Error(ErrorCode::request_expectation, "100-continue is the only expectation that is understood");
    request.expects_continue = true;
  }
  if (const auto coding = (*request.fields)[http::field::content_encoding]; !coding.empty() && !beast::iequals(coding, "identity"))
    throw Error(ErrorCode::request_not_understood, "A compressed body is not understood");
}

// On loopback only our own names are answered: a page from elsewhere whose name was made to point here ("DNS rebinding") is not.
Authority Vetting::check_host(const Request& request, const std::string& absolute_host) const {
  const auto hosts = request.fields->count(http::field::host);
  if (hosts > 1 || (hosts == 0 && !request.version_1_0)) refuse("The request must have one Host");
  if (hosts == 0 && absolute_host.empty()) return {};
  const auto authority = find_authority(absolute_host.empty() ? request.field(http::field::host) : std::string_view(absolute_host));
  if (!authority) refuse("The Host is not valid");
  if (hosts_.count(authority->host) > 0 || is_loopback_host(*authority)) return *authority;
  if (!loopback_ && (hosts_.empty() || authority->is_address)) return *authority;
  throw Error(ErrorCode::request_wrong_host, "This server is not known under that name. `http.hosts` in its configuration lists more names");
}

void Vetting::check_origin(Request& request, const Authority& host) const {
  const auto origins = request.fields->count(http::field::origin);
  if (origins == 0) return;
  const auto origin = lower(request.field(http::field::origin));
  if (origins == 1 && origins_.count(origin) > 0) {
    request.cross_origin = origin;
    return;
  }
  const auto separator = origin.find("://");
  if (origins == 1 && separator != std::string::npos && !host.host.empty()) {
    const auto scheme = origin.substr(0, separator);
    const auto from = find_authority(std::string_view(origin).substr(separator + 3));
    const bool secure = scheme == "https";
    // A proxy before us may speak TLS where we do not, so behind one either scheme is our own.
    const bool own_scheme = secure ? tls_ || trusted_proxy_ : scheme == "http" && !tls_;
    if (from && own_scheme && from->host == host.host && port_or(*from, secure) == port_or(host, secure)) return;
  }
  throw Error(ErrorCode::request_foreign_origin, "Web pages from elsewhere may not call this server");
}

// Whoever comes through a proxy is never taken for a local caller: local callers may do without an authkey.
std::string Vetting::forwarded_peer(const Request& request) const {
  std::string_view last;
  for (auto [entry, end] = request.fields->equal_range("X-Forwarded-For"); entry != end; ++entry)
    last = std::string_view(entry->value().data(), entry->value().size());
  last = last.substr(last.rfind(',') + 1);
  while (!last.empty() && last.front() == ' ') last.remove_prefix(1);
  while (!last.empty() && last.back() == ' ') last.remove_suffix(1);
  error_code ec;
  const auto address = net::ip::make_address(std::string(last), ec);
  return ec || address.is_loopback() ? kUnknownPeer : address.to_string();
}

}  // namespace velocity::edge
