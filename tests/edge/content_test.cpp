// Images on their way out, from a real pool through a real socket.
#include <fmt/format.h>
#include <fstream>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "tests/edge/fixture.hpp"
#include "tests/service/house.hpp"

namespace velocity::edge::testing {
namespace {

using namespace std::chrono_literals;

std::size_t resident_kibibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stoul(line.substr(6));
  return 0;
}

class ContentTest : public EdgeTest {
 protected:
  ContentTest() {
    house.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob"}) house.accounts.create_user(house.caller("root"), name, "password-1", {});
    alice = house.sessions.sign_in("alice", "password-1", "127.0.0.1").authkey;
    bob = house.sessions.sign_in("bob", "password-1", "127.0.0.1").authkey;
    workers = std::make_unique<Workers>(1);
  }
  ~ContentTest() override { stop(); }

  std::uint16_t port() {
    if (!server) server = std::make_unique<EdgeServer>(settings, *workers, house.services);
    return server->port();
  }

  model::ResourceId disk(const std::string& label, const std::string& bytes, std::int64_t size_mb = 1) {
    const auto group = house.caller("alice").user().own_group;
    const auto resource = house.resources.create(house.caller("alice"), "disk-image", group, label, {{"size_mb", size_mb}, {"format", "raw"}});
    std::fstream file(house.volumes.path(resource->id), std::ios::in | std::ios::out | std::ios::binary);
    file << bytes;
    return resource->id;
  }

  static std::string request(const std::string& method, const std::string& target, const std::string& key, const std::string& fields = {}) {
    return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + (key.empty() ? "" : "Authorization: Bearer " + key + "\r\n") + fields + "\r\n";
  }
  Received fetch(model::ResourceId id, const std::string& fields = {}, const std::string& method = "GET") {
    return Wire(port()).send(request(method, "/r/content?rid=" + id.text(), alice, fields)).receive(method == "HEAD").value_or(Received{});
  }

  test::TemporaryDirectory directory;
  test::House house{directory / "state"};
  std::string alice;
  std::string bob;
};

TEST_F(ContentTest, TheWholeImageComesWithItsNameAndItsTag) {
  const auto id = disk("Röot \"disk\"", "guest data");
  const auto received = fetch(id);
  ASSERT_EQ(received.status, 200) << received.body;
  EXPECT_EQ(received.body.size(), 1U << 20);
  EXPECT_EQ(received.body.substr(0, 10), "guest data");
  EXPECT_EQ(received.fields.at("content-type"), "application/octet-stream");
  EXPECT_EQ(received.fields.at("accept-ranges"), "bytes");
  EXPECT_EQ(received.fields.at("content-disposition"),
            "attachment; filename=\"R__ot _disk_.img\"; filename*=UTF-8''R%C3%B6ot%20%22disk%22.img");
  EXPECT_THAT(received.fields.at("etag"), ::testing::MatchesRegex("\"[-0-9a-f]+\""));
  const auto head = fetch(id, {}, "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.fields.at("content-length"), std::to_string(1 << 20));
  EXPECT_EQ(head.fields.at("etag"), received.fields.at("etag"));
  EXPECT_EQ(fetch(id, "If-None-Match: " + head.fields.at("etag") + "\r\n").status, 304);
}

TEST_F(ContentTest, APartIsThatPart) {
  const auto id = disk("d", "0123456789");
  const auto part = fetch(id, "Range: bytes=2-5\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "2345");
  EXPECT_EQ(part.fields.at("content-range"), "bytes 2-5/1048576");
  EXPECT_EQ(fetch(id, "Range: bytes=1048575-\r\n").body.size(), 1U);
  const auto behind = fetch(id, "Range: bytes=1048576-\r\n");
  EXPECT_EQ(behind.status, 416);
  EXPECT_EQ(behind.code(), "request.range");
  EXPECT_EQ(behind.fields.at("content-range"), "bytes */1048576");
  EXPECT_EQ(fetch(id, "Range: bytes=0-1,3-4\r\n").status, 200);
  const auto tag = part.fields.at("etag");
  EXPECT_EQ(fetch(id, "Range: bytes=2-5\r\nIf-Range: " + tag + "\r\n").status, 206);
  EXPECT_EQ(fetch(id, "Range: bytes=2-5\r\nIf-Range: \"another\"\r\n").status, 200);
  std::this_thread::sleep_for(20ms);
  std::fstream(house.volumes.path(id), std::ios::in | std::ios::out) << "changed";
  EXPECT_EQ(fetch(id, "Range: bytes=2-5\r\nIf-Range: " + tag + "\r\n").status, 200) << "the bytes are others now";
}

TEST_F(ContentTest, WhoeverMayNotHaveItDoesNotGetIt) {
  const auto id = disk("d", "x");
  const auto target = "/r/content?rid=" + id.text();
  const auto one = [&](const std::string& bytes) { return ask(port(), bytes).value_or(Received{}); };
  EXPECT_EQ(one(request("GET", target, "")).status, 401);
  EXPECT_EQ(one(request("GET", target, "nonsense")).status, 401);
  EXPECT_EQ(one(request("GET", target, bob)).code(), "resource.not_found");
  EXPECT_EQ(one(request("GET", target + "&authkey=" + alice, "")).status, 400);
  EXPECT_EQ(one(request("GET", "/r/content", alice)).status, 400);
  EXPECT_EQ(one(request("GET", "/r/content?rid=../../velocity.db", alice)).status, 400);
  EXPECT_EQ(one(request("GET", "/r/content?rid=" + model::ResourceId::random().text(), alice)).status, 404);
  const auto put = one(request("PUT", target, alice, "Content-Length: 0\r\n"));
  EXPECT_EQ(put.status, 405);
  EXPECT_EQ(put.fields.at("allow"), "GET, HEAD, OPTIONS");
  const auto body = fmt::format(R"({{"authkey": "{}", "stid": "{}"}})", alice, id.text());
  EXPECT_EQ(one(request("GET", "/r/content", "", fmt::format("Content-Length: {}\r\n", body.size())) + body).status, 200) << "the authkey in the body";
}

TEST_F(ContentTest, ASlowReaderCostsNoMemoryAndHoldsNobodyUp) {
  const auto id = disk("large", "", 256);
  const auto small = disk("small", "s");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(fetch(small).status, 200);
  // Read into one place: what the test itself takes and gives back would be counted.
  std::vector<char> place(1 << 20);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const auto asked = request("GET", "/r/content?rid=" + id.text(), alice);
  ASSERT_EQ(::send(client, asked.data(), asked.size(), 0), static_cast<ssize_t>(asked.size()));
  ASSERT_GT(::recv(client, place.data(), place.size(), 0), 0);
  const auto before = resident_kibibytes();
  EXPECT_EQ(fetch(small).status, 200) << "while the large one waits to be read";
  for (std::size_t got = 0; got < (200U << 20);) {
    const auto count = ::recv(client, place.data(), place.size(), 0);
    ASSERT_GT(count, 0);
    got += static_cast<std::size_t>(count);
  }
  ::close(client);
  EXPECT_LT(resident_kibibytes(), before + 16 * 1024) << "KiB";
}

TEST_F(ContentTest, TooManyAtOnceAreToldToComeBack) {
  settings.limits.downloads = 1;
  const auto id = disk("large", "", 64);
  Wire first(port());
  first.send(request("GET", "/r/content?rid=" + id.text(), alice));
  EXPECT_THAT(first.read_bytes(15), "HTTP/1.1 200 OK");
  EXPECT_EQ(fetch(id).status, 503);
  first.reset();
  int status = 503;
  for (int i = 0; i < 200 && status == 503; ++i, std::this_thread::sleep_for(10ms)) status = fetch(id).status;
  EXPECT_EQ(status, 200);
}

TEST_F(ContentTest, AFileThatBecomesShorterEndsTheConnection) {
  const auto id = disk("large", "", 64);
  Wire wire(port());
  wire.send(request("GET", "/r/content?rid=" + id.text(), alice));
  EXPECT_THAT(wire.read_bytes(15), "HTTP/1.1 200 OK");
  std::filesystem::resize_file(house.volumes.path(id), 1 << 20);
  EXPECT_FALSE(wire.receive().has_value());
  EXPECT_TRUE(is_alive(port()));
}

}  // namespace
}  // namespace velocity::edge::testing
