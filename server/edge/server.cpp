#include "server/edge/server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <charconv>
#include <optional>
#include <stdexcept>
#include <thread>

#include "server/edge/content_routes.hpp"
#include "server/edge/listener.hpp"
#include "server/edge/tls.hpp"
#include "server/edge/upload_routes.hpp"

namespace velocity::edge {
namespace {

tcp::endpoint parse_endpoint(const std::string& listen) {
  const auto colon = listen.rfind(':');
  auto host = listen.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  error_code ec;
  const auto address = net::ip::make_address(host, ec);
  std::uint16_t port = 0;
  const char* const begin = listen.data() + (colon == std::string::npos ? listen.size() : colon + 1);
  const char* const end = listen.data() + listen.size();
  const auto parsed = std::from_chars(begin, end, port);
  if (ec || begin == end || parsed.ec != std::errc() || parsed.ptr != end)
    throw std::runtime_error(fmt::format("\"{}\" is no address to listen on; it is written as 127.0.0.1:4567 or [::1]:4567", listen));
  return {address, port};
}

bool wants_tls(const EdgeSettings& settings) {
  if (settings.certificate.empty() != settings.private_key.empty())
    throw std::runtime_error("TLS needs both a certificate and its private key; only one of them is configured");
  return !settings.certificate.empty();
}

// Each client takes a descriptor; what the rest of the program needs is left over.
void bound_connections(EdgeSettings& settings) {
  constexpr rlim_t kReserve = 512;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto wanted = static_cast<rlim_t>(settings.limits.connections) + kReserve;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted) return;
  settings.limits.connections = limit.rlim_cur > 2 * kReserve ? limit.rlim_cur - kReserve : limit.rlim_cur / 2;
  spdlog::warn("The limit of open files allows {} connections only (ulimit -n)", settings.limits.connections);
}

EdgeSettings prepared(EdgeSettings settings) {
  bound_connections(settings);
  return settings;
}

void check_reach(const EdgeSettings& settings, const tcp::endpoint& endpoint, bool tls) {
  if (endpoint.address().is_loopback() || tls || settings.trusted_proxy) return;
  throw std::runtime_error(
      fmt::format("{} can be reached from other machines, and passwords would pass in the clear: configure a certificate and its key, or "
                  "say that a trusted proxy stands before the server",
                  settings.listen));
}

std::runtime_error cannot_listen(const EdgeSettings& settings, const boost::system::system_error& error) {
  return std::runtime_error(fmt::format("Cannot listen on {}: {}", settings.listen, error.code().message()));
}

}  // namespace

void try_settings(const EdgeSettings& settings) {
  const auto endpoint = parse_endpoint(settings.listen);
  const bool tls = wants_tls(settings);
  check_reach(settings, endpoint, tls);
  if (tls) static_cast<void>(make_tls_context(settings.certificate, settings.private_key));
  try {
    net::io_context io;
    const tcp::acceptor acceptor(io, endpoint);  // listens for a moment
  } catch (const boost::system::system_error& error) {
    throw cannot_listen(settings, error);
  }
}

// Member order is lifetime order.
class EdgeServer::Running {
 public:
  Running(EdgeSettings settings, Backend& backend, service::Services* services)
      : settings_(prepared(std::move(settings))),
        endpoint_(parse_endpoint(settings_.listen)),
        vetting_(settings_, endpoint_.address().is_loopback(), wants_tls(settings_)),
        access_log_(settings_.access_log) {
    const bool tls = wants_tls(settings_);
    check_reach(settings_, endpoint_, tls);
    if (tls) tls_.emplace(make_tls_context(settings_.certificate, settings_.private_key));
    if (services) {
      uploads_.emplace(io_, settings_, *services);
      contents_.emplace(io_, settings_, *services);
    }
    pool_.emplace(io_, backend, settings_);
    shared_.emplace(Shared{settings_, vetting_, access_log_, *pool_, uploads_ ? &*uploads_ : nullptr, contents_ ? &*contents_ : nullptr, {}, 0});
    try {
      listener_.emplace(io_, endpoint_, tls_ ? &*tls_ : nullptr, *shared_);
    } catch (const boost::system::system_error& error) {
      throw cannot_listen(settings_, error);
    }
    endpoint_ = listener_->endpoint();
    listener_->start();
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Running() { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    net::co_spawn(io_, listener_->drain(), [](std::exception_ptr failure) {
      if (failure) spdlog::error("The edge did not end in order");
    });
    thread_.join();
  }

  std::uint16_t port() const { return endpoint_.port(); }

  std::string url() const {
    const auto address = endpoint_.address();
    const auto text = address.to_string();
    return fmt::format("{}://{}:{}", tls_ ? "https" : "http", address.is_v6() ? "[" + text + "]" : text, endpoint_.port());
  }

 private:
  EdgeSettings settings_;
  tcp::endpoint endpoint_;
  Vetting vetting_;
  AccessLog access_log_;
  std::optional<net::ssl::context> tls_;
  net::io_context io_{1};
  std::optional<UploadRoutes> uploads_;
  std::optional<ContentRoutes> contents_;
  std::optional<ForwardPool> pool_;
  std::optional<Shared> shared_;
  std::optional<Listener> listener_;
  std::thread thread_;
};

EdgeServer::EdgeServer(EdgeSettings settings, Backend& backend, service::Services* services)
    : running_(std::make_unique<Running>(std::move(settings), backend, services)) {}
EdgeServer::EdgeServer(EdgeSettings settings, Backend& backend, service::Services& services)
    : EdgeServer(std::move(settings), backend, &services) {}
EdgeServer::EdgeServer(EdgeSettings settings, Backend& backend) : EdgeServer(std::move(settings), backend, nullptr) {}
EdgeServer::~EdgeServer() = default;

std::uint16_t EdgeServer::port() const { return running_->port(); }
std::string EdgeServer::url() const { return running_->url(); }
void EdgeServer::stop() { running_->stop(); }

}  // namespace velocity::edge
