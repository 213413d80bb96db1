// A client that sends bytes as they stand. Included by the edge's tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace velocity::edge::testing {

struct Received {
  int status = 0;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
  std::string code() const;  // of a problem document; empty when it is none
};

class Wire {
 public:
  explicit Wire(std::uint16_t port, const char* address = "127.0.0.1");
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  Wire& send(const std::string& bytes);  // an error is no failure: the server may have closed
  void finish();                         // no more will be sent
  void reset();                          // as a client that dies

  // The next answer; none when the connection ends before, or after ten seconds. bodiless: of a HEAD.
  std::optional<Received> receive(bool bodiless = false);
  bool closed();  // waits for the end
  std::string read_bytes(std::size_t count);
  bool quiet(std::chrono::milliseconds time);  // nothing arrives for so long

 private:
  bool more();
  int fd_;
  std::string buffer_;
};

// One request on a connection of its own.
std::optional<Received> ask(std::uint16_t port, const std::string& bytes);
// A GET that must be answered whatever happened before.
bool is_alive(std::uint16_t port);

}  // namespace velocity::edge::testing
