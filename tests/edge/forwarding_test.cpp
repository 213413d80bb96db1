// Handing on: what a worker sees, what a client gets, and what happens when a worker misbehaves.
#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <set>
#include <thread>

#include "tests/edge/fixture.hpp"

namespace velocity::edge::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class ForwardingTest : public EdgeTest {};

// Workers wait here until the test lets them go on.
class Gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void wait_until_waiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 10s, [&] { return waiting_ >= count; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

TEST_F(ForwardingTest, AMethodThatNoPathOffersIsForThePathToRefuseAndIsNotReflected) {
  const auto port = start();
  for (const std::string method : {"TRACE", "BREW", "PROPFIND", "M-SEARCH", "get"}) {
    const auto received = ask(port, method + " /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}");
    ASSERT_TRUE(received) << method;
    EXPECT_THAT(received->body, ::testing::StartsWith("OPTIONS /x HTTP/1.1\r\n")) << method;
    EXPECT_THAT(received->body, Not(HasSubstr(method + " "))) << method;
  }
}

TEST_F(ForwardingTest, AWorkerSeesTheCanonicalRequestAndAFixedListOfFields) {
  const auto received =
      ask(start(), post("/u/us%65r/?a=%20", "{}",
                        "Authorization: Bearer k\r\nIf-Match: \"1\"\r\nIdempotency-Key: i\r\nAccept: text/plain\r\n"
                        "Content-Type: application/json\r\nCookie: c=1\r\nX-Anything: 1\r\nConnection: close\r\nUser-Agent: t\r\n"));
  ASSERT_TRUE(received);
  EXPECT_THAT(received->body, ::testing::StartsWith("POST /u/user HTTP/1.1\r\nConnection: Keep-Alive\r\nX-Edge: "));
  EXPECT_THAT(received->body, ::testing::EndsWith("\t" + received->fields.at("x-request-id") +
                                                  "\t127.0.0.1\tapplication/json\tBearer k\ti\ta=%20\r\nContent-Length: 2\r\n\r\n{}"));
}

TEST(Forwarded, ComesOutAsItWentIn) {
  const Forwarded about{"7", "an id", "::1", "text/plain;\tcharset=utf-8", "", "key", "a=1&b=%09"};
  const auto read = read_forwarded(header_value(about));
  EXPECT_EQ(read.number, "7");
  EXPECT_EQ(read.id, "an id");
  EXPECT_EQ(read.peer, "::1");
  EXPECT_EQ(read.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(read.authorization, "");
  EXPECT_EQ(read.idempotency_key, "key");
  EXPECT_EQ(read.query, "a=1&b=%09");
  EXPECT_EQ(read_forwarded("8").number, "8");
  EXPECT_EQ(read_forwarded("8").query, "");
  EXPECT_EQ(read_forwarded("").number, "");
}

TEST_F(ForwardingTest, EveryAnswerCarriesItsOwnRequestIdAndTheSecurityFields) {
  Wire wire(start());
  std::set<std::string> ids;
  for (int i = 0; i < 10; ++i) {
    const auto received = wire.send(get("/x", "X-Request-Id: mine\r\n")).receive();
    ASSERT_TRUE(received);
    ids.insert(received->fields.at("x-request-id"));
    EXPECT_EQ(received->fields.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(received->fields.at("cache-control"), "no-store");
    EXPECT_EQ(received->fields.at("date").size(), 29U);
  }
  EXPECT_EQ(ids.size(), 10U);
  EXPECT_EQ(ids.count("mine"), 0U);
}

TEST_F(ForwardingTest, FieldsOfOneHopStayBehindAndOthersPass) {
  const auto port = start(1, [](const Asked& asked) {
    return answer(
        asked, "x", "201 Created",
        "Cache-Control: max-age=5\r\nETag: \"7\"\r\nKeep-Alive: timeout=1\r\nX-Request-Id: theirs\r\nServer: theirs\r\nLocation: /y\r\n");
  });
  const auto received = ask(port, get("/x"));
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 201);
  EXPECT_EQ(received->fields.at("cache-control"), "max-age=5");
  EXPECT_EQ(received->fields.at("etag"), "\"7\"");
  EXPECT_EQ(received->fields.at("location"), "/y");
  EXPECT_EQ(received->fields.at("server"), "Velocity");
  EXPECT_NE(received->fields.at("x-request-id"), "theirs");
  EXPECT_EQ(received->fields.count("keep-alive"), 0U);
  EXPECT_EQ(received->fields.count("x-edge-number"), 0U);
}

TEST_F(ForwardingTest, AnswersWithoutABodyLeaveTheConnectionInOrder) {
  Wire wire(start(1, [](const Asked& asked) {
    if (asked.line.find("/204") != std::string::npos) return answer(asked, "", "204 No Content");
    if (asked.line.find("/304") != std::string::npos) return answer(asked, "", "304 Not Modified", "ETag: \"7\"\r\n");
    return answer(asked, "{}", "208 Already Reported");
  }));
  for (const int status : {204, 304, 208, 204}) {
    const auto received = wire.send(get("/" + std::to_string(status))).receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->status, status);
    EXPECT_EQ(received->fields.count("content-length"), status == 208 ? 1U : 0U);
  }
}

TEST_F(ForwardingTest, ALargeBodyPassesInMemory) {
  const std::string large(5'000'000, 'L');
  const auto port = start(2, [&](const Asked& asked) {
    workers->put_body(asked.number(), large);
    return "HTTP/1.1 200 OK\r\nX-Edge-Number: " + asked.number() + ";body\r\nContent-Length: 0\r\n\r\n";
  });
  Wire wire(port);
  for (int i = 0; i < 3; ++i) {
    const auto received = wire.send(get("/large")).receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->body.size(), large.size());
  }
}

TEST_F(ForwardingTest, AnAnswerWithTheWrongNumberIsNeverPassedOn) {
  std::atomic<int> count{0};
  const auto port = start(1, [&](const Asked& asked) -> std::string {
    switch (count++ % 5) {
      case 0: return "HTTP/1.1 200 OK\r\nX-Edge-Number: 424242\r\nContent-Length: 6\r\n\r\nsecret";
      case 1: return "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
      case 2: return "secret\r\n\r\n";
      case 3: return answer(asked, "good") + answer(asked, "secret");  // one too many: the next request must not get it
      default: return answer(asked, "good");
    }
  });
  for (int i = 0; i < 50; ++i) {
    const auto received = ask(port, get("/x"));
    ASSERT_TRUE(received);
    EXPECT_THAT(received->body, Not(HasSubstr("secret")));
    EXPECT_EQ(received->status, i % 5 < 3 ? 500 : 200) << i;
    if (received->status == 500) {
      EXPECT_EQ(received->code(), "server.internal");
    }
  }
  EXPECT_GE(workers->connections(), 30U) << "the connections of unsound answers are replaced";
}

TEST_F(ForwardingTest, AWorkerThatHangsUpCostsItsOwnRequestOnly) {
  std::atomic<int> count{0};
  const auto port = start(1, [&](const Asked& asked) -> std::string {
    if (count++ % 2) return answer(asked, "good");
    return "HTTP/1.1 200 OK\r\nX-Edge-Number: " + asked.number() + "\r\nContent-Length: 1\r\n\r\nab";  // the second byte was not asked for
  });
  int good = 0;
  for (int i = 0; i < 20; ++i) {
    const auto received = ask(port, get("/x"));
    ASSERT_TRUE(received);
    good += received->status == 200;
  }
  EXPECT_EQ(good, 20);
}

TEST_F(ForwardingTest, WithAFullQueueARequestIsToldToComeBack) {
  Gate gate;
  settings.limits.queue = 2;
  const auto port = start(1, [&](const Asked& asked) {
    gate.wait();
    return answer(asked, "late");
  });
  Wire working(port);
  working.send(get("/1"));
  gate.wait_until_waiting(1);
  Wire queued(port);
  queued.send(get("/2"));
  Wire queued_too(port);
  queued_too.send(get("/3"));
  // The two in the queue may still be on their way; one of the next must find it full.
  std::vector<std::unique_ptr<Wire>> more;
  bool refused = false;
  for (int i = 0; i < 10 && !refused; ++i) {
    more.push_back(std::make_unique<Wire>(port));
    more.back()->send(get("/more"));
    if (more.back()->quiet(200ms)) continue;
    const auto received = more.back()->receive();
    refused = received && received->status == 503 && received->fields.count("retry-after") == 1 && received->code() == "server.busy";
  }
  EXPECT_TRUE(refused);
  gate.open();
  for (auto* wire : {&working, &queued}) {
    const auto received = wire->receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->status, 200);
  }
}

TEST_F(ForwardingTest, WhatIsInMemoryIsAnsweredWhileEveryWorkerWaitsForSomethingSlow) {
  Gate gate;
  const auto port = start(
      1,
      [&](const Asked& asked) {
        if (asked.line.find("GET /read") == std::string::npos || !asked.body.empty()) gate.wait();
        return answer(asked, "done");
      },
      2);
  Wire slow(port);
  slow.send(get("/slow"));
  gate.wait_until_waiting(1);
  Wire slow_too(port);
  slow_too.send(post("/read", "{}"));  // only a GET is a read
  Wire large(port);
  large.send(get("/read", "Content-Length: 5000\r\n") + std::string(5000, ' '));  // and a small one
  std::vector<std::unique_ptr<Wire>> readers;
  for (int i = 0; i < 40; ++i) {
    readers.push_back(std::make_unique<Wire>(port));
    readers.back()->send(get("/read"));
  }
  for (auto& reader : readers) {
    const auto received = reader->receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->status, 200);
  }
  EXPECT_TRUE(slow_too.quiet(50ms));
  EXPECT_TRUE(large.quiet(50ms));
  gate.open();
  for (auto* wire : {&slow, &slow_too, &large}) {
    const auto received = wire->receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->body, "done");
  }
}

TEST_F(ForwardingTest, AfterATimeoutTheWorkerIsUsedAgainAndItsLateAnswerIsDropped) {
  Gate gate;
  std::atomic<bool> first{true};
  settings.timeouts.handler = 150ms;
  const auto port = start(1, [&](const Asked& asked) {
    if (first.exchange(false)) {
      gate.wait();
      return answer(asked, "late");
    }
    return answer(asked, "good");
  });
  Wire patient(port);
  const auto late = patient.send(get("/slow")).receive();
  ASSERT_TRUE(late);
  EXPECT_EQ(late->status, 504);
  EXPECT_EQ(late->code(), "server.timeout");
  const auto busy = ask(port, get("/while-it-hangs"));
  ASSERT_TRUE(busy);
  EXPECT_EQ(busy->status, 503) << "a worker that hangs is not given more";
  gate.open();
  Received again;
  for (int i = 0; i < 100 && again.status != 200; ++i) again = patient.send(get("/again")).receive().value_or(Received{});
  EXPECT_EQ(again.body, "good");
  EXPECT_EQ(workers->connections(), 1U) << "its connection stays";
}

TEST_F(ForwardingTest, TheAccessLogSaysWhatHappenedAndNoSecret) {
  const auto port = start();
  const auto received = ask(port, post("/u/auth?authkey=sesame", "{\"password\":\"sesame\"}", "Authorization: Bearer sesame\r\n"));
  ask(port, "GET /\x01sesame HTTP/1.1\r\n\r\n");
  stop();
  EXPECT_THAT(log.str(), HasSubstr("POST /u/auth 200 "));
  EXPECT_THAT(log.str(), HasSubstr("id=" + received->fields.at("x-request-id") + " peer=127.0.0.1"));
  EXPECT_THAT(log.str(), HasSubstr("- - 400 "));
  EXPECT_THAT(log.str(), Not(HasSubstr("sesame")));
}

TEST_F(ForwardingTest, WhatIsInFlightWhenTheServerStopsIsAnswered) {
  Gate gate;
  const auto port = start(2, [&](const Asked& asked) {
    gate.wait();
    return answer(asked, "good");
  });
  Wire working(port);
  working.send(get("/x"));
  Wire idle(port);
  gate.wait_until_waiting(1);
  std::thread stopping([this] { server->stop(); });
  EXPECT_TRUE(idle.closed());
  gate.open();
  const auto received = working.receive();
  stopping.join();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->body, "good");
  EXPECT_EQ(received->fields.at("connection"), "close");
  EXPECT_THROW(Wire{port}, std::runtime_error);
}

TEST_F(ForwardingTest, AWorkerThatNeverAnswersDoesNotKeepTheServerFromStopping) {
  Gate gate;
  settings.timeouts.drain = 100ms;
  const auto port = start(1, [&](const Asked& asked) {
    gate.wait();
    return answer(asked, "late");
  });
  Wire working(port);
  working.send(get("/x"));
  gate.wait_until_waiting(1);
  server->stop();
  gate.open();
  EXPECT_FALSE(working.receive());
}

}  // namespace
}  // namespace velocity::edge::testing
