// Those who take their time.
#include <thread>

#include "tests/edge/fixture.hpp"

namespace velocity::edge::testing {
namespace {

using namespace std::chrono_literals;

class DeadlineTest : public EdgeTest {};

TEST_F(DeadlineTest, AHeaderThatDoesNotArriveInTimeIsGivenUp) {
  settings.timeouts.header = 100ms;
  Wire wire(start());
  const auto received = wire.send("GET /x HTTP/1.1\r\nHost: loc").receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 408);
  EXPECT_TRUE(wire.closed());
}

TEST_F(DeadlineTest, DripsOfAHeaderDoNotStretchItsTime) {
  settings.timeouts.header = 150ms;
  Wire wire(start());
  wire.send("GET /x HTTP/1.1\r\n");
  for (int i = 0; i < 100 && wire.quiet(20ms); ++i) wire.send("X-A: b\r\n");
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 408);
}

TEST_F(DeadlineTest, ASilentConnectionIsClosedWithoutAWord) {
  settings.timeouts.header = 100ms;
  Wire wire(start());
  EXPECT_FALSE(wire.receive());
}

TEST_F(DeadlineTest, AnIdleConnectionIsClosedWithoutAWord) {
  settings.timeouts.idle = 100ms;
  Wire wire(start());
  ASSERT_TRUE(wire.send(get("/x")).receive());
  EXPECT_FALSE(wire.receive());
}

TEST_F(DeadlineTest, ABodyThatStopsArrivingIsGivenUp) {
  settings.timeouts.body = 100ms;
  Wire wire(start());
  const auto received = wire.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345").receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 408);
  EXPECT_EQ(received->code(), "request.timeout");
  EXPECT_TRUE(wire.closed());
}

TEST_F(DeadlineTest, ABodyThatKeepsArrivingIsWaitedFor) {
  settings.timeouts.body = 400ms;
  Wire wire(start());
  wire.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(60ms);
    wire.send("1");
  }
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 200);
}

TEST_F(DeadlineTest, AReaderThatDoesNotReadIsGivenUpAndOthersAreServed) {
  settings.timeouts.write = 100ms;
  const std::string large(40'000'000, 'L');
  const auto port = start(1, [&](const Asked& asked) -> std::string {
    if (asked.line.find("/large") == std::string::npos) return answer(asked, "good");
    workers->put_body(asked.number(), large);
    return "HTTP/1.1 200 OK\r\nX-Edge-Number: " + asked.number() + ";body\r\nContent-Length: 0\r\n\r\n";
  });
  Wire lazy(port);
  lazy.send(get("/large"));
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(30ms);
    EXPECT_TRUE(is_alive(port));
  }
  EXPECT_LT(lazy.read_bytes(large.size()).size(), large.size());
}

}  // namespace
}  // namespace velocity::edge::testing
