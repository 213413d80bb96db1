// Hands plain requests to the backend's workers, one at a time each. Included by the server and the connection.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/edge/answer.hpp"
#include "server/edge/backend.hpp"
#include "server/edge/forwarded.hpp"
#include "server/edge/request.hpp"
#include "server/edge/settings.hpp"

namespace velocity::edge {

// What of a request is handed on. Made before the body is read, whose trailers may add fields.
Forwarded forwarded(const Request& request);

// One slot for each worker, and many for each reader, with one connection each. A slot always writes its request to the end and reads the answer to the end, also
// when nobody waits for it any more: a connection that is closed with an answer outstanding can make the worker answer another one. Used on
// the socket thread only.
class ForwardPool {
 public:
  ForwardPool(net::io_context& io, Backend& backend, const EdgeSettings& settings);  // throws when a worker cannot be reached
  ~ForwardPool();

  // Errors: server_busy when the queue is full or the worker's turn never came, server_timeout when it did not answer in time,
  // server_internal when what came back was not the answer to this request.
  awaitable<Answer> call(const Request& request, Forwarded about, std::string body);

  void watch(Clock::time_point now);                // names in the log whoever has not answered for too long
  void stop();                                      // what is outstanding fails; every coroutine ends soon after
  std::size_t unsound() const { return unsound_; }  // answers that were not passed on

 private:
  struct Job;
  struct Slot;
  // Slots that any of its jobs may take, and the jobs that wait for one.
  struct Lane {
    std::deque<Slot*> idle;  // the one that has rested longest first: readers take turns
    std::deque<std::shared_ptr<Job>> queue;
  };
  void open_slot(Lane& lane, std::size_t worker);
  awaitable<void> run(Slot& slot);
  awaitable<void> next_job(Slot& slot);
  awaitable<void> ensure_connected(Slot& slot);
  awaitable<bool> exchange(Slot& slot, Job& job);
  bool accept(Job& job, http::response<http::string_body> response);
  bool reconnect(Slot& slot);
  static bool is_quiet(Slot& slot);

  net::io_context& io_;
  Backend& backend_;
  EdgeLimits limits_;
  EdgeTimeouts timeouts_;
  std::vector<std::unique_ptr<Slot>> slots_;
  Lane reads_;  // what is answered from memory
  Lane work_;   // what may take its time
  std::uint64_t last_number_ = 0;
  std::size_t unsound_ = 0;
  bool stopping_ = false;
};

}  // namespace velocity::edge
