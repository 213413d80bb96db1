// The edge: the only socket that clients reach. Included by the daemon; knows no name of Asio or Beast.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/edge/backend.hpp"
#include "server/edge/settings.hpp"

namespace velocity::service {
struct Services;
}

namespace velocity::edge {

// Before anything slow is begun: throws what the constructor would throw of these settings now.
void try_settings(const EdgeSettings& settings);

// Listens from construction to stop(). One thread does all that waits for sockets, a few more write uploads to disk. The backend and the
// services must outlive it.
class EdgeServer {
 public:
  // Throws std::runtime_error, with a text for the administrator, when the settings make no sense or the address is not to be had.
  EdgeServer(EdgeSettings settings, Backend& backend, service::Services& services);
  EdgeServer(EdgeSettings settings, Backend& backend);  // without /r/upload
  ~EdgeServer();

  std::uint16_t port() const;
  std::string url() const;  // for example http://127.0.0.1:4567

  // Lets what is in flight finish, for a bounded time, and ends. May be called twice.
  void stop();

 private:
  EdgeServer(EdgeSettings settings, Backend& backend, service::Services* services);
  class Running;
  std::unique_ptr<Running> running_;
};

}  // namespace velocity::edge
