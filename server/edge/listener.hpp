// Accepts clients, keeps their connections, and looks after everybody's deadlines. Included by the server.
#pragma once

#include <list>
#include <memory>
#include <optional>

#include "server/edge/connection.hpp"

namespace velocity::edge {

// Used on the socket thread only, but for its construction.
class Listener {
 public:
  Listener(net::io_context& io, const tcp::endpoint& endpoint, net::ssl::context* tls,
           Shared& shared);  // throws when the address is not to be had

  tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }
  void start();
  // Accepts nobody any more and lets requests in flight finish, for a bounded time; then every coroutine ends.
  awaitable<void> drain();

 private:
  using Connections = std::list<std::shared_ptr<Connection>>;
  awaitable<void> accept();
  awaitable<void> sweep();
  void admit(tcp::socket socket);
  void turn_away(tcp::socket socket);

  net::io_context& io_;
  net::ssl::context* tls_;
  Shared& shared_;
  tcp::acceptor acceptor_;
  net::steady_timer tick_;
  net::steady_timer pause_;
  Clock::duration period_;
  Connections connections_;
  bool stopped_ = false;
};

}  // namespace velocity::edge
