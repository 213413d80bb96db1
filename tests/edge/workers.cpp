#include "tests/edge/workers.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace velocity::edge::testing {
namespace {

bool receive_more(int fd, std::string& buffer) {
  std::array<char, 65536> piece{};
  const auto count = ::recv(fd, piece.data(), piece.size(), 0);
  if (count <= 0) return false;
  buffer.append(piece.data(), static_cast<std::size_t>(count));
  return true;
}

std::optional<Asked> next_request(int fd, std::string& buffer) {
  std::size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos)
    if (!receive_more(fd, buffer)) return std::nullopt;
  Asked asked;
  std::istringstream lines(buffer.substr(0, end));
  std::getline(lines, asked.line);
  asked.line.pop_back();
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const auto colon = line.find(": ");
    asked.fields[line.substr(0, colon)] = line.substr(colon + 2);
  }
  asked.about = read_forwarded(asked.fields[kForwardedHeader]);
  const auto length = asked.fields.count("Content-Length") > 0 ? std::stoul(asked.fields["Content-Length"]) : 0;
  while (buffer.size() < end + 4 + length)
    if (!receive_more(fd, buffer)) return std::nullopt;
  asked.body = buffer.substr(end + 4, length);
  asked.text = buffer.substr(0, end + 4 + length);
  buffer.erase(0, end + 4 + length);
  return asked;
}

}  // namespace

std::string answer(const Asked& asked, const std::string& body, const std::string& status, const std::string& more_fields) {
  return "HTTP/1.1 " + status + "\r\n" + kRequestNumberHeader + ": " + asked.number() +
         "\r\nContent-Type: text/plain\r\nConnection: Keep-Alive\r\n" + more_fields + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string mirror(const Asked& asked) { return answer(asked, asked.text); }

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    for (const int end : ends_) ::shutdown(end, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
  for (const int end : ends_) ::close(end);
}

int Workers::connect(std::size_t) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw std::runtime_error("socketpair");
  const std::lock_guard lock(mutex_);
  ends_.push_back(ends[1]);
  threads_.emplace_back([this, fd = ends[1]] { serve(fd); });
  return ends[0];
}

void Workers::serve(int fd) const {
  std::string buffer;
  while (auto asked = next_request(fd, buffer)) {
    const auto text = handler_(*asked);
    for (std::size_t sent = 0; sent < text.size();) {
      const auto count = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<std::size_t>(count);
    }
  }
}

std::string Workers::take_body(const std::string& number) {
  const std::lock_guard lock(mutex_);
  auto node = bodies_.extract(number);
  return node ? std::move(node.mapped()) : std::string();
}

void Workers::put_body(const std::string& number, std::string body) {
  const std::lock_guard lock(mutex_);
  bodies_[number] = std::move(body);
}

std::size_t Workers::connections() const {
  const std::lock_guard lock(mutex_);
  return ends_.size();
}

}  // namespace velocity::edge::testing
