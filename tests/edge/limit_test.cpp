// The limits, each at its exact bound.
#include "tests/edge/fixture.hpp"

namespace velocity::edge::testing {
namespace {

class LimitTest : public EdgeTest {
 protected:
  int status(const std::string& bytes) {
    const auto received = ask(server->port(), bytes);
    return received ? received->status : 0;
  }
};

std::string padded_header(std::size_t size) {
  const std::string begin = "GET /x HTTP/1.1\r\nHost: localhost\r\nX-Pad: ";
  return begin + std::string(size - begin.size() - 4, 'p') + "\r\n\r\n";
}

TEST_F(LimitTest, AHeaderMayHaveExactlySixteenKibibytes) {
  start();
  EXPECT_EQ(status(padded_header(16 * 1024)), 200);
  EXPECT_EQ(status(padded_header(16 * 1024 + 1)), 431);
  EXPECT_EQ(status(padded_header(200 * 1024)), 431);
}

TEST_F(LimitTest, AHeaderThatNeverEndsIsRefusedAtTheLimit) {
  start();
  std::string endless = "GET /x HTTP/1.1\r\nHost: localhost\r\n";
  while (endless.size() < 16 * 1024) endless += "X-A: b\r\n";
  EXPECT_EQ(status(endless), 431);
}

TEST_F(LimitTest, ATargetMayHaveExactlyEightKibibytes) {
  start();
  EXPECT_EQ(status(get("/x?" + std::string(8 * 1024 - 3, 'q'))), 200);
  EXPECT_EQ(status(get("/x?" + std::string(8 * 1024 - 2, 'q'))), 414);
  EXPECT_EQ(status(get("/x?" + std::string(100 * 1024, 'q'))), 414);
}

TEST_F(LimitTest, ABodyMayHaveExactly256Kibibytes) {
  start();
  EXPECT_EQ(status(post("/x", std::string(256 * 1024, 'b'))), 200);
  EXPECT_EQ(status(post("/x", std::string(256 * 1024 + 1, 'b'))), 413);
  EXPECT_EQ(status("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n"), 413);
}

TEST_F(LimitTest, AChunkedBodyHasTheSameLimit) {
  start();
  const auto chunked = [](std::size_t size) {
    std::string text = "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t sent = 0; sent < size; sent += 4096) text += "1000\r\n" + std::string(4096, 'b') + "\r\n";
    return text + "0\r\n\r\n";
  };
  EXPECT_EQ(status(chunked(256 * 1024)), 200);
  EXPECT_EQ(status(chunked(260 * 1024)), 413);
}

TEST_F(LimitTest, APathMayHaveExactly64Segments) {
  start();
  std::string path;
  for (int i = 0; i < 64; ++i) path += "/a";
  EXPECT_EQ(status(get(path)), 200);
  EXPECT_EQ(status(get(path + "/")), 200);
  EXPECT_EQ(status(get(path + "/a")), 400);
  EXPECT_EQ(status(get(std::string(8000, '/'))), 400);
}

TEST_F(LimitTest, AConnectionTooManyIsToldSoAndRoomIsMadeByLeaving) {
  settings.limits.connections = 3;
  const auto port = start();
  auto first = std::make_unique<Wire>(port);
  Wire second(port);
  Wire third(port);
  ASSERT_TRUE(first->send(get("/x")).receive());
  ASSERT_TRUE(second.send(get("/x")).receive());
  ASSERT_TRUE(third.send(get("/x")).receive());
  const auto refused = Wire(port).receive();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->fields.count("retry-after"), 1U);
  first.reset();
  bool admitted = false;
  for (int i = 0; i < 100 && !admitted; ++i) {
    const auto received = ask(port, get("/x"));
    admitted = received && received->status == 200;
  }
  EXPECT_TRUE(admitted);
}

}  // namespace
}  // namespace velocity::edge::testing
