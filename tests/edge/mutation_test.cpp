// Ten thousand requests that somebody broke: the server answers or hangs up, and goes on.
#include <poll.h>

#include <array>
#include <random>

#include "tests/edge/fixture.hpp"

namespace velocity::edge::testing {
namespace {

class MutationTest : public EdgeTest {};

const std::array<std::string, 10> kCorpus = {
    get("/v?limit=10&state=RUNNING", "Authorization: Bearer 0123456789abcdef\r\nAccept: */*\r\n"),
    post("/u/auth", R"({"username":"root","password":"secret"})", "Content-Type: application/json\r\n"),
    "PUT /c HTTP/1.1\r\nHost: 127.0.0.1:4567\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2;x=y\r\n1}\r\n0\r\nTrailer: t\r\n\r\n",
    "HEAD /healthz HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
    "DELETE /v HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 9\r\n\r\nvmid=abcd",
    "PATCH http://localhost/v%2F?x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    get("/a") + get("/b") + post("/c", "{}") + get("/d"),
    "POST /r/upload HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 100\r\nUpload-Metadata: label "
    "ZGlzaw==\r\nContent-Length: 0\r\n\r\n",
    post("/f", "a=1&b=2&b=3", "Content-Type: application/x-www-form-urlencoded\r\nX-Folded: a\r\n b\r\n"),
};

const std::array<std::string, 16> kPieces = {"\r\n",
                                             "\r\n\r\n",
                                             "\n",
                                             ":",
                                             " ",
                                             "%00",
                                             "..",
                                             "//",
                                             "Content-Length: 5\r\n",
                                             "Transfer-Encoding: chunked\r\n",
                                             "ffffffffffffffff",
                                             std::string(1, '\0'),
                                             "\xff\xfe",
                                             "HTTP/1.1",
                                             std::string(3000, 'A'),
                                             "0\r\n\r\n"};

std::string mutated(std::mt19937& random) {
  auto text = kCorpus[random() % kCorpus.size()];
  for (auto changes = 1 + random() % 4; changes > 0; --changes) {
    const auto at = text.empty() ? 0 : random() % text.size();
    switch (random() % 6) {
      case 0: text[at] = static_cast<char>(random()); break;
      case 1: text.erase(at, 1 + random() % 12); break;
      case 2: text.insert(at, kPieces[random() % kPieces.size()]); break;
      case 3: text.insert(at, text.substr(random() % text.size(), random() % 40)); break;
      case 4: text.resize(at + 1); break;
      default: std::swap(text[at], text[random() % text.size()]); break;
    }
    if (text.empty()) text = "G";
  }
  return text;
}

TEST_F(MutationTest, TenThousandBrokenRequestsLeaveTheServerAsItWas) {
  settings.timeouts.header = std::chrono::milliseconds(200);
  settings.timeouts.body = std::chrono::milliseconds(200);
  settings.timeouts.linger = std::chrono::milliseconds(50);
  const auto port = start(2);
  std::mt19937 random(20240607);
  for (int i = 0; i < 10'000; ++i) {
    Wire wire(port);
    wire.send(mutated(random));
    wire.finish();
    // Whatever comes must be HTTP; that nothing comes is an answer too.
    const auto begin = wire.read_bytes(9);
    ASSERT_TRUE(begin.empty() || begin == "HTTP/1.1 ") << i << ": " << begin;
    if (i % 500 == 0) {
      ASSERT_TRUE(is_alive(port)) << i;
    }
  }
  EXPECT_TRUE(is_alive(port));
}

}  // namespace
}  // namespace velocity::edge::testing
