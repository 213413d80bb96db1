#include "tests/edge/wire.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

namespace velocity::edge::testing {
namespace {

constexpr int kPatience = 10'000;  // milliseconds; a loaded machine is slow, a broken server is silent

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool readable(int fd, int milliseconds) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, milliseconds) > 0;
}

}  // namespace

std::string Received::code() const {
  const auto document = nlohmann::json::parse(body, nullptr, false);
  return document.is_object() && document.contains("code") ? document["code"].get<std::string>() : std::string();
}

Wire::Wire(std::uint16_t port, const char* address) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &peer.sin_addr);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) throw std::runtime_error("cannot connect");
}

Wire::~Wire() { ::close(fd_); }

Wire& Wire::send(const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const auto count = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<std::size_t>(count);
  }
  return *this;
}

void Wire::finish() { ::shutdown(fd_, SHUT_WR); }

void Wire::reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(fd_);
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);  // so that the destructor closes something of ours
}

bool Wire::more() {
  if (!readable(fd_, kPatience)) return false;
  std::array<char, 65536> piece{};
  const auto count = ::recv(fd_, piece.data(), piece.size(), 0);
  if (count <= 0) return false;
  buffer_.append(piece.data(), static_cast<std::size_t>(count));
  return true;
}

std::optional<Received> Wire::receive(bool bodiless) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!more()) return std::nullopt;
  Received received;
  std::istringstream lines(buffer_.substr(0, end + 2));
  std::string line;
  std::getline(lines, line);
  received.status = line.size() > 12 ? std::stoi(line.substr(9, 3)) : 0;
  while (std::getline(lines, line)) {
    line.pop_back();
    const auto colon = line.find(": ");
    received.fields[lower(line.substr(0, colon))] = line.substr(colon + 2);
  }
  buffer_.erase(0, end + 4);
  const auto length = received.fields.find("content-length");
  if (bodiless || length == received.fields.end()) return received;
  const auto wanted = std::stoul(length->second);
  while (buffer_.size() < wanted)
    if (!more()) return std::nullopt;
  received.body = buffer_.substr(0, wanted);
  buffer_.erase(0, wanted);
  return received;
}

bool Wire::closed() {
  while (buffer_.empty())
    if (!more()) return !readable(fd_, 0) || ::recv(fd_, buffer_.data(), 0, MSG_DONTWAIT) <= 0;
  return false;
}

std::string Wire::read_bytes(std::size_t count) {
  while (buffer_.size() < count)
    if (!more()) break;
  const auto bytes = buffer_.substr(0, count);
  buffer_.erase(0, bytes.size());
  return bytes;
}

bool Wire::quiet(std::chrono::milliseconds time) { return buffer_.empty() && !readable(fd_, static_cast<int>(time.count())); }

std::optional<Received> ask(std::uint16_t port, const std::string& bytes) {
  Wire wire(port);
  return wire.send(bytes).receive();
}

bool is_alive(std::uint16_t port) {
  const auto received = ask(port, "GET /alive HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return received && received->status == 200;
}

}  // namespace velocity::edge::testing
