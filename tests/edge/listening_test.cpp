// Where the edge listens, and TLS.
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/edge/certificate.hpp"
#include "tests/edge/fixture.hpp"

namespace velocity::edge::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ListeningTest : public EdgeTest {
 protected:
  std::string refusal() {
    try {
      start();
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return {};
  }
};

TEST_F(ListeningTest, BeyondLoopbackItRefusesToSpeakInTheClear) {
  for (const std::string listen : {"0.0.0.0:0", "[::]:0"}) {
    settings.listen = listen;
    EXPECT_THAT(refusal(), AllOf(HasSubstr("certificate"), HasSubstr("proxy"), HasSubstr(listen)));
  }
  settings.trusted_proxy = true;
  settings.listen = "0.0.0.0:0";
  EXPECT_EQ(refusal(), "");
  EXPECT_TRUE(is_alive(server->port()));
}

TEST_F(ListeningTest, AnAddressThatMakesNoSenseIsNamed) {
  for (const std::string listen :
       {"", "4567", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "example.org:1", ":1", "127.0.0.1:-1", "127.0.0.1:1 "}) {
    settings.listen = listen;
    EXPECT_THAT(refusal(), HasSubstr("\"" + listen + "\"")) << listen;
  }
}

TEST_F(ListeningTest, AnAddressThatIsTakenIsNamed) {
  settings.listen = "127.0.0.1:" + std::to_string(start());
  Workers others(1);
  EXPECT_THROW(EdgeServer(settings, others), std::runtime_error);
}

TEST_F(ListeningTest, TlsSettingsThatDoNotFitAreRefused) {
  const Certificate one;
  const Certificate other;
  settings.certificate = one.certificate();
  EXPECT_THAT(refusal(), HasSubstr("both"));
  settings.private_key = other.key();
  EXPECT_THAT(refusal(), HasSubstr("key"));
  settings.private_key = "/nowhere/key.pem";
  EXPECT_THAT(refusal(), HasSubstr("/nowhere/key.pem"));
}

// A TLS client that trusts one certificate only.
class TlsClient {
 public:
  TlsClient(std::uint16_t port, const Certificate& trusted, int newest = TLS1_3_VERSION)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), ssl_(nullptr, SSL_free) {
    SSL_CTX_load_verify_locations(context_.get(), trusted.certificate().c_str(), nullptr);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_max_proto_version(context_.get(), newest);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(port);
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) == 0 && SSL_connect(ssl_.get()) == 1;
  }
  ~TlsClient() {
    ssl_.reset();
    ::close(fd_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const { return connected_; }
  void send(const std::string& bytes) { SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())); }
  // Until `text` has been read or the connection ends.
  std::string read_until(const std::string& text) {
    std::string all;
    std::array<char, 16384> piece{};
    while (all.find(text) == std::string::npos) {
      const int count = SSL_read(ssl_.get(), piece.data(), piece.size());
      if (count <= 0) break;
      all.append(piece.data(), static_cast<std::size_t>(count));
    }
    return all;
  }
  bool ended_in_order() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  int fd_ = -1;
  bool connected_ = false;
};

class TlsTest : public EdgeTest {
 protected:
  TlsTest() {
    settings.certificate = certificate.certificate();
    settings.private_key = certificate.key();
  }
  Certificate certificate;
};

TEST_F(TlsTest, RequestsAreServedOverTlsAndTheEndIsAnnounced) {
  TlsClient client(start(), certificate);
  ASSERT_TRUE(client.connected());
  EXPECT_THAT(server->url(), StartsWith("https://127.0.0.1:"));
  client.send(post("/first", std::string(100'000, 'b')));
  EXPECT_THAT(client.read_until("bbbb"), StartsWith("HTTP/1.1 200 "));
  client.send(get("/last", "Connection: close\r\n"));
  EXPECT_THAT(client.read_until("GET /last"), HasSubstr("Connection: close"));
  client.read_until("never");
  EXPECT_TRUE(client.ended_in_order());
}

TEST_F(TlsTest, OldVersionsAreNotSpoken) {
  const auto port = start();
  EXPECT_FALSE(TlsClient(port, certificate, TLS1_1_VERSION).connected());
  EXPECT_TRUE(TlsClient(port, certificate, TLS1_2_VERSION).connected());
}

TEST_F(TlsTest, AClientThatNeverShakesHandsIsGivenUpAndOthersAreServed) {
  settings.timeouts.header = std::chrono::milliseconds(300);
  const auto port = start();
  Wire silent(port);
  Wire plain(port);
  plain.send(get("/x"));
  TlsClient client(port, certificate);
  ASSERT_TRUE(client.connected());
  client.send(get("/x"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_FALSE(silent.receive());
  EXPECT_FALSE(plain.receive());
}

TEST_F(TlsTest, ASlowHeaderIsAnsweredOverTlsToo) {
  settings.timeouts.header = std::chrono::milliseconds(200);
  TlsClient client(start(), certificate);
  ASSERT_TRUE(client.connected());
  client.send("GET /x HT");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 408 "));
}

}  // namespace
}  // namespace velocity::edge::testing
