// Where one request ends and the next begins: smuggling, pipelining, HEAD, 100-continue, chunks.
#include "tests/edge/fixture.hpp"

namespace velocity::edge::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class FramingTest : public EdgeTest {};

struct Refusal {
  const char* name;
  std::string bytes;
  int status;
};

class SmugglingTest : public EdgeTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(SmugglingTest, IsRefusedAndTheConnectionEndsWithOneAnswer) {
  const auto port = start();
  Wire wire(port);
  wire.send(GetParam().bytes + "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, GetParam().status) << received->body;
  EXPECT_EQ(received->fields.at("connection"), "close");
  EXPECT_TRUE(wire.closed());
}

const std::string kPost = "POST /x HTTP/1.1\r\nHost: localhost\r\n";

INSTANTIATE_TEST_SUITE_P(
    All, SmugglingTest,
    ::testing::Values(Refusal{"LengthAndChunked", kPost + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
                      Refusal{"ChunkedAndLength", kPost + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400},
                      Refusal{"TwoLengths", kPost + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400},
                      Refusal{"TwoEqualLengths", kPost + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400},
                      Refusal{"LengthList", kPost + "Content-Length: 4, 4\r\n\r\nabcd", 400},
                      Refusal{"NegativeLength", kPost + "Content-Length: -1\r\n\r\n", 400},
                      Refusal{"PlusLength", kPost + "Content-Length: +4\r\n\r\nabcd", 400},
                      Refusal{"HexLength", kPost + "Content-Length: 0x4\r\n\r\nabcd", 400},
                      Refusal{"EmptyLength", kPost + "Content-Length: \r\n\r\nabcd", 400},
                      Refusal{"HugeLength", kPost + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
                      Refusal{"TwoEncodings", kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400},
                      Refusal{"TwoChunkeds", kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
                      Refusal{"UnknownEncoding", kPost + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
                      Refusal{"GzipThenChunked", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
                      Refusal{"ChunkedThenIdentity", kPost + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
                      Refusal{"VerticalTabEncoding", kPost + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 400},
                      Refusal{"SpaceBeforeColon", kPost + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
                      Refusal{"ChunkedInVersion10", "POST /x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                              400},
                      Refusal{"BareLineFeed", "POST /x HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n", 505},
                      Refusal{"NulInField", kPost + std::string("X: a\0b\r\n\r\n", 10), 400},
                      Refusal{"ControlCharacterInField",
                              kPost + "X: a\x01"
                                      "b\r\n\r\n",
                              400},
                      Refusal{"ChunkSizeOverflow", kPost + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 400},
                      Refusal{"ChunkSizeNegative", kPost + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
                      Refusal{"ChunkWithoutLineEnd", kPost + "Transfer-Encoding: chunked\r\n\r\n1\r\nabcd\r\n", 400},
                      Refusal{"ChunkExtensionWithoutEnd", kPost + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(100'000, 'x'), 400},
                      Refusal{"Version20", "GET /x HTTP/2.0\r\nHost: localhost\r\n\r\n", 505}, Refusal{"Version09", "GET /x\r\n", 400},
                      Refusal{"NoToken", "BR(W /x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
                      Refusal{"Connect", "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501},
                      Refusal{"ConnectToAPath", "CONNECT /x HTTP/1.1\r\nHost: localhost\r\n\r\n", 501},
                      Refusal{"TwoHosts", "GET /x HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400},
                      Refusal{"NoHost", "GET /x HTTP/1.1\r\n\r\n", 400},
                      Refusal{"UnknownExpectation", kPost + "Expect: tea\r\nContent-Length: 0\r\n\r\n", 417},
                      Refusal{"CompressedBody", kPost + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415}),
    [](const auto& test) { return test.param.name; });

TEST_F(FramingTest, PipelinedRequestsAreAnsweredInOrder) {
  const auto port = start(4);
  Wire wire(port);
  std::string all;
  for (int i = 0; i < 50; ++i)
    all += i % 2 ? post("/n/" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'b')) : get("/n/" + std::to_string(i));
  wire.send(all);
  for (int i = 0; i < 50; ++i) {
    const auto received = wire.receive();
    ASSERT_TRUE(received) << i;
    EXPECT_THAT(received->body, HasSubstr(" /n/" + std::to_string(i) + " HTTP/1.1"));
  }
}

TEST_F(FramingTest, ARequestMayArriveByteByByte) {
  Wire wire(start());
  for (const char byte : post("/slow", "{\"a\":1}")) wire.send(std::string(1, byte));
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_THAT(received->body, EndsWith("{\"a\":1}"));
}

TEST_F(FramingTest, HeadIsAnsweredAsGetWithoutItsBody) {
  const auto port = start();
  Wire wire(port);
  wire.send("HEAD /thing HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto head = wire.receive(true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  wire.send(get("/thing"));
  const auto same = wire.receive();
  ASSERT_TRUE(same) << "bytes of a body followed the answer to HEAD";
  EXPECT_THAT(same->body, HasSubstr("GET /thing "));
  EXPECT_GT(std::stoi(head->fields.at("content-length")), 100);
}

TEST_F(FramingTest, ContinueIsSaidOnceBeforeTheBodyIsSent) {
  Wire wire(start());
  wire.send("POST /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(wire.read_bytes(25), "HTTP/1.1 100 Continue\r\n\r\n");
  wire.send("{}");
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 200);
  EXPECT_THAT(received->body, Not(HasSubstr("Expect")));
}

TEST_F(FramingTest, ContinueIsNotSaidToABodyThatIsRefused) {
  Wire wire(start());
  wire.send("POST /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 413);
}

TEST_F(FramingTest, ChunksAreForwardedAsOneBodyWithALengthAndWithoutTrailers) {
  Wire wire(start());
  wire.send(
      "PUT /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\n{\"a\r\n4\r\n\":1}\r\n0\r\nAuthorization: Bearer "
      "trailer\r\n\r\n");
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_THAT(received->body, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(received->body, EndsWith("\r\n\r\n{\"a\":1}"));
  EXPECT_THAT(received->body, Not(HasSubstr("trailer")));
  EXPECT_THAT(received->body, Not(HasSubstr("chunked")));
}

TEST_F(FramingTest, GetAndDeleteMayHaveABody) {
  Wire wire(start());
  for (const std::string method : {"GET", "DELETE"}) {
    wire.send(method +
              " /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&b=2");
    const auto received = wire.receive();
    ASSERT_TRUE(received);
    EXPECT_THAT(received->body, HasSubstr("\tapplication/x-www-form-urlencoded\t"));
    EXPECT_THAT(received->body, EndsWith("a=1&b=2"));
  }
}

TEST_F(FramingTest, AnOldClientIsAnsweredAndTheConnectionClosed) {
  Wire wire(start());
  wire.send("GET /x HTTP/1.0\r\n\r\n");
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 200);
  EXPECT_TRUE(wire.closed());
}

TEST_F(FramingTest, EmptyLinesBeforeARequestAreSkipped) {
  Wire wire(start());
  const auto received = wire.send("\r\n\r\n" + get("/x")).receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 200);
}

}  // namespace
}  // namespace velocity::edge::testing
