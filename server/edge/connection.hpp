// One client's connection: requests in, answers out, in order. Included by the listener.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "framework/model/uuid.hpp"
#include "server/edge/access_log.hpp"
#include "server/edge/answer.hpp"
#include "server/edge/client.hpp"
#include "server/edge/forward_pool.hpp"
#include "server/edge/incoming_body.hpp"
#include "server/edge/vetting.hpp"

namespace velocity::edge {

class ContentRoutes;
class UploadRoutes;

// What all connections share. Lives longer than each of them; used on the socket thread only.
struct Shared {
  const EdgeSettings& settings;
  const Vetting& vetting;
  const AccessLog& access_log;
  ForwardPool& pool;
  UploadRoutes* uploads;   // null: none are served
  ContentRoutes* contents;  // the same
  HttpDate date;
  std::size_t unsent = 0;  // bytes of answers on their way to clients
};

class Connection {
 public:
  Connection(tcp::socket socket, net::ssl::context* tls, std::string peer, Shared& shared);

  awaitable<void> run();
  void sweep(Clock::time_point now);
  void drain();  // no further request; an idle connection ends at once
  void abort();

 private:
  struct Turn;
  awaitable<bool> serve_one(bool first);
  awaitable<bool> read_header(Turn& turn, bool first);
  bool parse_header(Turn& turn);
  awaitable<void> handle(Turn& turn);
  awaitable<bool> send(Turn& turn);
  awaitable<std::uint64_t> send_source(BodySource& source);

  Client client_;
  const std::string id_ = model::Uuid::random().text();  // of its requests, which are counted: the kernel is asked for random numbers once
  std::uint64_t requests_ = 0;
  std::string peer_;
  Shared& shared_;
  bool idle_ = true;  // between two requests
  bool draining_ = false;
};

}  // namespace velocity::edge
