// The real routes in the real guard on Pistache's real workers, over real services. Included by the tests of the REST room.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <thread>

#include "server/edge/forwarded.hpp"
#include "server/rest/backend.hpp"
#include "server/rest/guard.hpp"
#include "server/rest/tables.hpp"
#include "tests/service/house.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::test {

inline std::shared_ptr<spdlog::logger> silent_log() {
  return std::make_shared<spdlog::logger>("silent", std::make_shared<spdlog::sinks::null_sink_mt>());
}

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
  rest::Json json() const { return rest::Json::parse(body); }
};

inline edge::Forwarded with_authkey(const std::string& authkey) {
  edge::Forwarded about;
  about.authorization = "Bearer " + authkey;
  return about;
}

// The edge's end of one worker's connection, and the little of HTTP that the edge needs to speak on it.
class WorkerClient {
 public:
  WorkerClient(edge::Backend& backend, std::size_t worker) : backend_(backend), socket_(backend.connect(worker)) {}
  ~WorkerClient() { ::close(socket_); }
  WorkerClient(const WorkerClient&) = delete;
  WorkerClient& operator=(const WorkerClient&) = delete;

  Response ask(const std::string& method, const std::string& target, const std::string& body = {},
               edge::Forwarded about = {}) {
    const auto number = std::to_string(++number_);
    const auto mark = std::min(target.find('?'), target.size());
    about.number = number;
    about.id = "id-" + number;
    about.peer = "127.0.0.1";
    if (mark < target.size()) about.query = target.substr(mark + 1);
    write(method + " " + target.substr(0, mark) + " HTTP/1.1\r\nConnection: Keep-Alive\r\nX-Edge: " + edge::header_value(about) +
          "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    auto response = read();
    auto echo = response.headers["X-Edge-Number"];
    if (echo == number + ";body") {
      response.body = backend_.take_body(number);
      echo = number;
    }
    if (echo != number) throw std::runtime_error("the answer to " + method + " " + target + " has the number \"" + echo + "\"");
    return response;
  }

 private:
  void write(std::string_view text) {
    while (!text.empty()) {
      const auto count = ::write(socket_, text.data(), text.size());
      if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
      else wait(POLLOUT);
    }
  }
  void wait(short events) {
    pollfd ready{socket_, events, 0};
    if (::poll(&ready, 1, 20'000) <= 0) throw std::runtime_error("the worker is silent");
  }
  Response read() {
    std::string text;
    std::size_t end = std::string::npos;
    std::size_t length = 0;
    Response response;
    while (end == std::string::npos || text.size() < end + 4 + length) {
      wait(POLLIN);
      std::array<char, 65536> bytes{};
      const auto count = ::read(socket_, bytes.data(), bytes.size());
      if (count <= 0) throw std::runtime_error("the worker hung up");
      text.append(bytes.data(), static_cast<std::size_t>(count));
      if (end == std::string::npos && (end = text.find("\r\n\r\n")) != std::string::npos) {
        response = head(text.substr(0, end + 2));
        length = std::stoul(response.headers.at("Content-Length"));
      }
    }
    response.body = text.substr(end + 4);
    return response;
  }
  static Response head(const std::string& text) {
    Response response;
    response.status = std::stoi(text.substr(text.find(' ') + 1));
    for (auto line = text.find("\r\n") + 2; line < text.size();) {
      const auto colon = text.find(": ", line);
      const auto end = text.find("\r\n", line);
      response.headers[text.substr(line, colon - line)] = text.substr(colon + 2, end - colon - 2);
      line = end + 2;
    }
    return response;
  }

  edge::Backend& backend_;
  int socket_;
  int number_ = 0;
};

// All of it, with the user root signed in. One for a test suite.
struct RestHouse {
  RestHouse() {
    house.accounts.create_root("a long password");
    authkey = house.sessions.sign_in("root", "a long password", "127.0.0.1").authkey;
    for (int i = 0; house.inventory.stale() && i < 1000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (house.inventory.stale()) throw std::runtime_error("libvirt's test driver is not there");
  }

  TemporaryDirectory directory;
  House house{directory / "state"};
  rest::Guard guard{house.sessions, house.replies, silent_log(), rest::all_routes(house.services, {"0", "1", "1.0", [] { return rest::Json(nullptr); }})};
  rest::PistacheBackend backend{guard, {2}};
  WorkerClient client{backend, 0};
  std::string authkey;
};

}  // namespace velocity::test
