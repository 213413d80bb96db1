// Pistache behind the edge: workers that run the guard, each at the other end of a socket pair. No client ever talks to Pistache, and
// it listens nowhere. Included by the daemon; nobody else needs to know that it is Pistache.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/edge/backend.hpp"
#include "server/rest/guard.hpp"

namespace velocity::rest {

struct BackendSettings {
  int workers = 16;                            // one request at a time each; a worker may block in libvirt
  std::size_t max_request_bytes = 512 * 1024;  // header and body as the edge forwards them
  int readers = 2;                             // beside the workers: answer what needs nothing but memory
};

// Thread-safe. The guard must outlive it. Ends its threads when destroyed: by then the edge must have closed its ends.
class PistacheBackend : public edge::Backend {
 public:
  // Starts the workers and proves that each answers over its socket pair and that nothing listens. Throws std::runtime_error, saying
  // which of it is not so: Pistache promises neither, so another version of it may differ.
  PistacheBackend(const Guard& guard, const BackendSettings& settings = {});
  ~PistacheBackend() override;
  PistacheBackend(const PistacheBackend&) = delete;
  PistacheBackend& operator=(const PistacheBackend&) = delete;

  std::size_t readers() const override;
  std::size_t workers() const override;
  bool from_memory(std::string_view path) const override;
  int connect(std::size_t worker) override;
  std::string take_body(const std::string& number) override;

 private:
  struct Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace velocity::rest
