// Who may ask: names, web pages from elsewhere, proxies.
#include "tests/edge/fixture.hpp"

namespace velocity::edge::testing {
namespace {

using ::testing::HasSubstr;

class OriginTest : public EdgeTest {
 protected:
  Received with(const std::string& fields, const std::string& method = "GET") {
    const auto received = ask(server->port(), method + " /x HTTP/1.1\r\n" + fields + "\r\n");
    return received.value_or(Received{});
  }
};

TEST_F(OriginTest, OnLoopbackOnlyOurOwnNamesAreAnswered) {
  settings.hosts = {"VM.example.org"};
  start();
  for (const std::string host :
       {"localhost", "LocalHost:1234", "127.0.0.1:4567", "127.9.9.9", "[::1]", "[::1]:80", "vm.example.org", "VM.EXAMPLE.org:443"})
    EXPECT_EQ(with("Host: " + host + "\r\n").status, 200) << host;
  for (const std::string host : {"evil.example", "localhost.evil.example", "192.168.1.1", "[::2]", "0.0.0.0", "128.0.0.1"}) {
    const auto received = with("Host: " + host + "\r\n");
    EXPECT_EQ(received.status, 421) << host;
    EXPECT_EQ(received.code(), "request.wrong_host");
  }
  for (const std::string host :
       {"", "user@localhost", "local host", "localhost:port", "localhost/x", "[::1", "localhost, evil.example", "127.0.0.1.evil.example"})
    EXPECT_EQ(with("Host: " + host + "\r\n").status, 400) << host;
}

TEST_F(OriginTest, AnAbsoluteTargetCountsBeforeTheHost) {
  const auto port = start();
  EXPECT_EQ(ask(port, "GET http://localhost/x HTTP/1.1\r\nHost: evil.example\r\n\r\n")->status, 200);
  EXPECT_EQ(ask(port, "GET http://evil.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n")->status, 421);
}

TEST_F(OriginTest, AForeignPageIsRefusedAndOurOwnIsNot) {
  start();
  EXPECT_EQ(with("Host: localhost:4567\r\nOrigin: http://localhost:4567\r\n").status, 200);
  EXPECT_EQ(with("Host: localhost\r\nOrigin: http://localhost:80\r\n").status, 200);
  for (const std::string origin : {"http://evil.example", "null", "http://localhost:1", "https://localhost:4567", "", "localhost:4567",
                                   "http://localhost:4567.evil.example", "http://127.0.0.1:4567"}) {
    const auto received = with("Host: localhost:4567\r\nOrigin: " + origin + "\r\n", "POST");
    EXPECT_EQ(received.status, 403) << origin;
    EXPECT_EQ(received.code(), "request.foreign_origin");
    EXPECT_EQ(received.fields.count("access-control-allow-origin"), 0U);
  }
  EXPECT_EQ(with("Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n").status, 403);
}

TEST_F(OriginTest, AConfiguredPageIsToldThatItMayReadTheAnswer) {
  settings.origins = {"https://console.example.org"};
  start();
  const auto received = with("Host: localhost\r\nOrigin: https://console.example.org\r\n");
  EXPECT_EQ(received.status, 200);
  EXPECT_EQ(received.fields.at("access-control-allow-origin"), "https://console.example.org");
  EXPECT_EQ(received.fields.at("vary"), "Origin");
  const auto preflight =
      with("Host: localhost\r\nOrigin: https://console.example.org\r\nAccess-Control-Request-Method: PATCH\r\n", "OPTIONS");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_THAT(preflight.fields.at("access-control-allow-methods"), HasSubstr("PATCH"));
  EXPECT_THAT(preflight.fields.at("access-control-allow-headers"), HasSubstr("Authorization"));
}

TEST_F(OriginTest, OptionsNamesTheMethodsAndNothingElse) {
  start();
  const auto received = with("Host: localhost\r\nAccess-Control-Request-Method: PATCH\r\n", "OPTIONS");
  EXPECT_EQ(received.status, 204);
  EXPECT_THAT(received.fields.at("allow"), HasSubstr("DELETE"));
  EXPECT_EQ(received.fields.count("access-control-allow-methods"), 0U);
  EXPECT_EQ(received.fields.count("content-length"), 0U);
}

TEST_F(OriginTest, WithoutAProxyNobodyMayNameHisOwnAddress) {
  start();
  EXPECT_THAT(
      with("Host: localhost\r\nX-Forwarded-For: 10.0.0.1\r\nX-Edge-Number: 7\r\nX-Edge: 7\r\nX-Request-Id: mine\r\n").body,
      AllOf(HasSubstr("\t127.0.0.1\t"), Not(HasSubstr("10.0.0.1")), Not(HasSubstr("mine")), Not(HasSubstr("X-Edge: 7"))));
}

TEST_F(OriginTest, BehindAProxyTheLastForwardedAddressIsThePeerAndNobodyIsLocal) {
  settings.trusted_proxy = true;
  start();
  EXPECT_THAT(with("Host: localhost\r\nX-Forwarded-For: 127.0.0.1, 10.0.0.1\r\n").body, HasSubstr("\t10.0.0.1\t"));
  EXPECT_THAT(with("Host: localhost\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n").body,
              HasSubstr("\t10.0.0.2\t"));
  for (const std::string field : {"", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-For: ::1\r\n", "X-Forwarded-For: me\r\n"})
    EXPECT_THAT(with("Host: localhost\r\n" + field).body, HasSubstr("\t0.0.0.0\t")) << field;
}

}  // namespace
}  // namespace velocity::edge::testing
