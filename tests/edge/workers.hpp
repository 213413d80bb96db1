// A backend made of real sockets and threads, for the tests of the edge alone: each worker reads a request, asks the test what to answer,
// and answers.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/edge/backend.hpp"
#include "server/edge/forwarded.hpp"

namespace velocity::edge::testing {

// What a worker has read.
struct Asked {
  std::string line;  // "GET /path?query HTTP/1.1"
  std::map<std::string, std::string> fields;
  Forwarded about;
  std::string body;
  std::string number() const { return about.number; }
  std::string text;  // all of it, as it came
};

// What it answers: bytes as they go over the socket.
using Handler = std::function<std::string(const Asked& asked)>;

// A well-formed answer to a request.
std::string answer(const Asked& asked, const std::string& body, const std::string& status = "200 OK", const std::string& more_fields = {});
// Answers every request with the request itself, as the worker saw it.
std::string mirror(const Asked& asked);

class Workers : public Backend {
 public:
  // Without readers all that is asked is work; with some, what is under /read is answered from memory.
  explicit Workers(std::size_t count, Handler handler = mirror, std::size_t readers = 0)
      : count_(count + readers), readers_(readers), handler_(std::move(handler)) {}
  ~Workers() override;

  std::size_t readers() const override { return readers_; }
  std::size_t workers() const override { return count_; }
  bool from_memory(std::string_view path) const override { return readers_ > 0 && path.substr(0, 5) == "/read"; }
  int connect(std::size_t worker) override;
  std::string take_body(const std::string& number) override;

  void put_body(const std::string& number, std::string body);
  std::size_t connections() const;

 private:
  void serve(int fd) const;
  std::size_t count_;
  std::size_t readers_;
  Handler handler_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> bodies_;
  std::vector<std::thread> threads_;
  std::vector<int> ends_;
};

}  // namespace velocity::edge::testing
