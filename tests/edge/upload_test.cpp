// tus over the real upload service: real files, real inspection, real rewriting where the sandbox runs.
#include <fmt/format.h>
#include <fstream>
#include <random>
#include <thread>

#include "framework/service/services.hpp"
#include "tests/edge/fixture.hpp"
#include "tests/service/house.hpp"

namespace velocity::edge::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::size_t resident_kibibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stoul(line.substr(6));
  return 0;
}

// A qcow2 version 2 header that names a backing file.
std::string qcow2_with_backing_file() {
  std::string image(65536, '\0');
  const std::string header("QFI\xfb\0\0\0\2\0\0\0\0\0\0\0\x48\0\0\0\x0b\0\0\0\x10\0\0\0\0\0\x10\0\0", 32);
  image.replace(0, header.size(), header);
  image.replace(0x48, 11, "/etc/shadow");
  return image;
}

class UploadTest : public EdgeTest {
 protected:
  UploadTest() {
    house.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob"}) house.accounts.create_user(house.caller("root"), name, "password-1", {});
    alice = house.sessions.sign_in("alice", "password-1", "127.0.0.1").authkey;
    bob = house.sessions.sign_in("bob", "password-1", "127.0.0.1").authkey;
    workers = std::make_unique<Workers>(1);
  }
  ~UploadTest() override { stop(); }

  std::uint16_t port() {
    if (!server) server = std::make_unique<EdgeServer>(settings, *workers, house.services);
    return server->port();
  }

  std::string head(const std::string& method, const std::string& path, const std::string& key, const std::string& fields = {}) const {
    return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer " + key + "\r\n" + fields +
           "\r\n";
  }

  // group 0 is root's; "MA==" is its number.
  std::string metadata(const std::string& format_base64 = "cmF3") {
    const auto gid = std::to_string(model::number(house.caller("alice").user().own_group));
    return "Upload-Metadata: filename eA==,label ZGlzaw==,format " + format_base64 + ",group " + base64(gid) + "\r\n";
  }

  static std::string base64(const std::string& text) {
    static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 3) {
      const auto at = [&](std::size_t n) { return i + n < text.size() ? static_cast<unsigned char>(text[i + n]) : 0U; };
      const unsigned bits = at(0) << 16 | at(1) << 8 | at(2);
      for (std::size_t n = 0; n < 4; ++n) out += i + n <= text.size() && !(n > text.size() - i) ? kDigits[bits >> (18 - 6 * n) & 63] : '=';
    }
    return out;
  }

  Received one(const std::string& bytes) { return ask(port(), bytes).value_or(Received{}); }

  std::string create(std::size_t length, const std::string& format_base64 = "cmF3") {
    const auto received = one(head("POST", "/r/upload", alice,
                                   metadata(format_base64) + "Upload-Length: " + std::to_string(length) + "\r\nContent-Length: 0\r\n"));
    EXPECT_EQ(received.status, 201) << received.body;
    const auto location = received.fields.find("location");
    return location == received.fields.end() ? std::string() : location->second;
  }

  std::string patch(const std::string& path, std::size_t offset, const std::string& bytes, const std::string& key = {}) const {
    return head("PATCH", path, key.empty() ? alice : key,
                "Content-Type: application/offset+octet-stream\r\nUpload-Offset: " + std::to_string(offset) +
                    "\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n") +
           bytes;
  }

  std::string offset(const std::string& path) {
    Wire wire(port());
    const auto received = wire.send(head("HEAD", path, alice)).receive(true);
    if (!received || received->status != 200) return "none";
    EXPECT_EQ(received->fields.at("cache-control"), "no-store");
    return received->fields.at("upload-offset") + "/" + received->fields.at("upload-length");
  }

  test::TemporaryDirectory directory;
  test::House house{directory / "state"};
  std::string alice;
  std::string bob;
};

TEST_F(UploadTest, WhatIsSpokenIsToldToWhoeverAsks) {
  const auto received = one("OPTIONS /r/upload HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(received.status, 204);
  EXPECT_EQ(received.fields.at("tus-resumable"), "1.0.0");
  EXPECT_EQ(received.fields.at("tus-version"), "1.0.0");
  EXPECT_EQ(received.fields.at("tus-extension"), "creation,creation-with-upload,checksum,expiration,termination");
  EXPECT_GT(std::stoll(received.fields.at("tus-max-size")), 1'000'000'000);
}

TEST_F(UploadTest, AnImageInTwoPartsBecomesAResource) {
  std::string image(3'000'000, 'i');
  const auto path = create(image.size());
  EXPECT_THAT(path, StartsWith("/r/upload/"));
  EXPECT_EQ(offset(path), "0/3000000");
  const auto part = one(patch(path, 0, image.substr(0, 1'234'567)));
  EXPECT_EQ(part.status, 204);
  EXPECT_EQ(part.fields.at("upload-offset"), "1234567");
  EXPECT_EQ(part.fields.count("velocity-resource"), 0U);
  EXPECT_EQ(offset(path), "1234567/3000000");
  const auto last = one(patch(path, 1'234'567, image.substr(1'234'567)));
  ASSERT_EQ(last.status, 204) << last.body;
  EXPECT_EQ(last.fields.at("upload-offset"), "3000000");
  const auto rid = model::ResourceId::parse(last.fields.at("velocity-resource"));
  ASSERT_TRUE(rid);
  EXPECT_EQ(house.resources.get(house.caller("alice"), *rid).resource->label, "disk");
  EXPECT_EQ(offset(path), "none") << "it is a resource now, and no upload any more";
}

TEST_F(UploadTest, AChunkedPatchAndASpelledOutMethodAreUnderstood) {
  const auto path = create(10'000);
  Wire wire(port());
  wire.send(head("POST", path, alice,
                 "X-HTTP-Method-Override: PATCH\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nTransfer-Encoding: "
                 "chunked\r\nExpect: 100-continue\r\n"));
  EXPECT_EQ(wire.read_bytes(25), "HTTP/1.1 100 Continue\r\n\r\n");
  for (int i = 0; i < 5; ++i) wire.send("3e8\r\n" + std::string(1000, 'c') + "\r\n");
  wire.send("0\r\n\r\n");
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->fields.at("upload-offset"), "5000");
  EXPECT_EQ(offset(path), "5000/10000");
}

TEST_F(UploadTest, TheNextRequestMayFollowAtOnce) {
  const auto path = create(3'000'000);
  Wire wire(port());
  wire.send(patch(path, 0, std::string(1'234'567, 'a')) + patch(path, 1'234'567, std::string(10, 'b')) + head("HEAD", path, alice));
  EXPECT_EQ(wire.receive()->fields.at("upload-offset"), "1234567");
  EXPECT_EQ(wire.receive()->fields.at("upload-offset"), "1234577");
  EXPECT_EQ(wire.receive(true)->fields.at("upload-offset"), "1234577");
}

TEST_F(UploadTest, WhatArrivedBeforeTheClientVanishedStaysAndIsResumed) {
  const std::string image(2'000'000, 'v');
  const auto path = create(image.size());
  {
    Wire wire(port());
    auto bytes = patch(path, 0, image);
    wire.send(bytes.substr(0, bytes.size() - 1'000'000));
    for (int i = 0; i < 200 && offset(path) != "1000000/2000000"; ++i) std::this_thread::sleep_for(10ms);
    wire.reset();
  }
  EXPECT_EQ(offset(path), "1000000/2000000");
  Received received;
  for (int i = 0; i < 200 && received.status != 204; ++i)
    received = one(patch(path, 1'000'000, image.substr(1'000'000)));  // 423 while the lost one is held
  EXPECT_EQ(received.fields.count("velocity-resource"), 1U) << received.body;
}

TEST_F(UploadTest, TheProtocolsRefusalsAreKept) {
  const auto path = create(1000);
  const auto content = std::string("Content-Type: application/offset+octet-stream\r\n");
  const std::vector<std::pair<std::string, int>> refusals = {
      {"POST /r/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 412},
      {"PATCH " + path + " HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 0.2.2\r\nContent-Length: 0\r\n\r\n", 412},
      {head("POST", "/r/upload", "nonsense", metadata() + "Upload-Length: 5\r\nContent-Length: 0\r\n"), 401},
      {head("POST", "/r/upload", alice, "Upload-Length: 5\r\nContent-Length: 0\r\n"), 400},
      {head("POST", "/r/upload", alice, metadata() + "Content-Length: 0\r\n"), 400},
      {head("POST", "/r/upload", alice, metadata() + "Upload-Length: -5\r\nContent-Length: 0\r\n"), 400},
      {head("POST", "/r/upload", alice, metadata() + "Upload-Length: 99999999999999999999\r\nContent-Length: 0\r\n"), 400},
      {head("POST", "/r/upload", alice, metadata() + "Upload-Length: 9223372036854775807\r\nContent-Length: 0\r\n"), 413},
      {head("POST", "/r/upload", bob, metadata() + "Upload-Length: 5\r\nContent-Length: 0\r\n"), 404},
      {head("POST", "/r/upload", alice, metadata() + "Upload-Length: 5\r\nContent-Length: 3\r\n") + "abc", 415},
      {patch(path, 1, "x"), 409},
      {patch(path, 0, std::string(1001, 'x')), 413},
      {patch(path, 0, "x", bob), 404},
      {patch("/r/upload/" + model::UploadId::random().text(), 0, "x"), 404},
      {patch("/r/upload/nonsense", 0, "x"), 404},
      {patch(path + "/more", 0, "x"), 404},
      {head("PATCH", path, alice, content + "Content-Length: 1\r\n") + "x", 400},
      {head("PATCH", path, alice, content + "Upload-Offset: zero\r\nContent-Length: 1\r\n") + "x", 400},
      {head("PATCH", path, alice, "Content-Type: text/plain\r\nUpload-Offset: 0\r\nContent-Length: 1\r\n") + "x", 415},
      {head("GET", path, alice), 405},
      {head("PUT", "/r/upload", alice), 405},
      {head("DELETE", path, bob), 404},
  };
  for (const auto& [bytes, status] : refusals) {
    const auto received = one(bytes);
    EXPECT_EQ(received.status, status) << bytes.substr(0, 300) << "\n" << received.body;
    EXPECT_EQ(received.fields.count("tus-resumable"), 1U) << bytes.substr(0, 100);
    if (status == 412) {
      EXPECT_EQ(received.fields.at("tus-version"), "1.0.0");
    }
    if (status == 405) {
      EXPECT_EQ(received.fields.count("allow"), 1U);
    }
  }
  EXPECT_EQ(offset(path), "0/1000");
  Wire wire(port());
  EXPECT_EQ(wire.send(head("HEAD", path, bob)).receive(true)->status, 404);
}

TEST_F(UploadTest, BytesBeyondTheAnnouncedLengthAreNotKept) {
  const auto path = create(1000);
  const auto received = one(
      head("PATCH", path, alice, "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nTransfer-Encoding: chunked\r\n") +
      "7d0\r\n" + std::string(2000, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(received.status, 413);
  EXPECT_EQ(offset(path), "1000/1000");
}

TEST_F(UploadTest, BytesThatAreNotThoseOfTheirChecksumAreTakenBack) {
  const auto path = create(20);
  const auto piece = [&](std::size_t at, const std::string& bytes, const std::string& checksum) {
    return one(head("PATCH", path, alice,
                    "Content-Type: application/offset+octet-stream\r\nUpload-Checksum: " + checksum + "\r\nUpload-Offset: " + std::to_string(at) +
                        "\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n") +
               bytes);
  };
  constexpr const char* kSha1 = "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=";  // of "hello"
  constexpr const char* kSha256 = "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
  constexpr const char* kMd5 = "md5 XUFAKrxLKna5cZ2REBfFkg==";
  const auto refused = piece(0, "hallo", kSha1);
  EXPECT_EQ(refused.status, 460) << refused.body;
  EXPECT_EQ(refused.code(), "upload.checksum");
  EXPECT_EQ(offset(path), "0/20");
  EXPECT_EQ(piece(0, "hello", kSha1).fields.at("upload-offset"), "5");
  EXPECT_EQ(piece(5, "hello", kSha256).fields.at("upload-offset"), "10");
  EXPECT_EQ(piece(10, "hello", kMd5).fields.at("upload-offset"), "15");
  EXPECT_EQ(piece(15, "Hello", kMd5).status, 460);
  for (const auto* nonsense : {"sha1", "sha1 ", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00", "crc32 AAAA", "sha1 ????????????????????????????", "sha256 qvTGHdzF6KLavt4PO0gs2a6pQ00="})
    EXPECT_EQ(piece(15, "hello", nonsense).status, 400) << nonsense;
  EXPECT_EQ(offset(path), "15/20");
  const auto last = piece(15, "hello", kSha1);
  EXPECT_EQ(last.status, 204) << last.body;
  EXPECT_EQ(last.fields.count("velocity-resource"), 1U);
  EXPECT_TRUE(std::filesystem::is_empty(house.state.incoming()));
}

TEST_F(UploadTest, AHostileHeadThatFailedItsChecksumDoesNotEndTheUpload) {
  const auto image = qcow2_with_backing_file();
  const auto path = create(image.size() + 1, "cWNvdzI=");
  EXPECT_EQ(one(head("PATCH", path, alice,
                     "Content-Type: application/offset+octet-stream\r\nUpload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=\r\nUpload-Offset: 0\r\n"
                     "Content-Length: " + std::to_string(image.size()) + "\r\n") + image).status,
            460);
  EXPECT_EQ(offset(path), "0/" + std::to_string(image.size() + 1));
}

TEST_F(UploadTest, WhatAVanishedClientSentUnderAChecksumIsTakenBack) {
  const auto path = create(2'000'000);
  const auto file = house.state.incoming() / path.substr(path.rfind('/') + 1);
  ASSERT_EQ(one(patch(path, 0, "first")).status, 204);
  {
    Wire wire(port());
    wire.send(head("PATCH", path, alice,
                   "Content-Type: application/offset+octet-stream\r\nUpload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=\r\nUpload-Offset: 5\r\n"
                   "Content-Length: 1000000\r\n") + std::string(600'000, 'x'));
    for (int i = 0; i < 500 && std::filesystem::file_size(file) < 600'000; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_GT(std::filesystem::file_size(file), 5U);
    EXPECT_EQ(offset(path), "5/2000000") << "while it is not known whether they count";
    wire.reset();
  }
  for (int i = 0; i < 500 && std::filesystem::file_size(file) != 5; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(std::filesystem::file_size(file), 5U);
  EXPECT_EQ(offset(path), "5/2000000");
}

TEST_F(UploadTest, AnUploadSaysWhenItIsGivenUp) {
  const auto created = one(head("POST", "/r/upload", alice, metadata() + "Upload-Length: 10\r\nContent-Length: 0\r\n"));
  EXPECT_THAT(created.fields.at("upload-expires"), ::testing::MatchesRegex("..., .. ... 20.. ..:..:.. GMT"));
  const auto path = created.fields.at("location");
  EXPECT_EQ(one(patch(path, 0, "12345")).fields.count("upload-expires"), 1U);
  Wire wire(port());
  EXPECT_EQ(wire.send(head("HEAD", path, alice)).receive(true)->fields.count("upload-expires"), 1U);
  EXPECT_EQ(one(patch(path, 5, "12345")).fields.count("upload-expires"), 0U) << "it is none any more";
}

TEST_F(UploadTest, AnUploadMayBeginWithItsFirstBytes) {
  const auto begun = [&](const std::string& format, const std::string& length, const std::string& bytes, const std::string& more = {}) {
    return one(head("POST", "/r/upload", alice,
                    metadata(format) + "Content-Type: application/offset+octet-stream\r\nUpload-Length: " + length + "\r\nContent-Length: " +
                        std::to_string(bytes.size()) + "\r\n" + more) + bytes);
  };
  const auto refused = begun("cWNvdzI=", "65536", qcow2_with_backing_file());
  EXPECT_EQ(refused.status, 422) << refused.body;
  EXPECT_EQ(begun("cmF3", "10", "hallo", "Upload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=\r\n").status, 460);
  EXPECT_TRUE(std::filesystem::is_empty(house.state.incoming())) << "of neither is anything left";
  const auto half = begun("cmF3", "10", "hello", "Upload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=\r\n");
  EXPECT_EQ(half.status, 201) << half.body;
  EXPECT_EQ(half.fields.at("upload-offset"), "5");
  EXPECT_EQ(offset(half.fields.at("location")), "5/10");
  EXPECT_EQ(one(patch(half.fields.at("location"), 5, "world")).fields.count("velocity-resource"), 1U);
}

TEST_F(UploadTest, ARemovedUploadIsGone) {
  const auto path = create(1000);
  EXPECT_EQ(one(head("DELETE", path, alice)).status, 204);
  EXPECT_EQ(offset(path), "none");
  EXPECT_EQ(one(patch(path, 0, "x")).status, 404);
}

TEST_F(UploadTest, AHostileImageIsRefusedWhileItsClientStillWaitsToSend) {
  const auto image = qcow2_with_backing_file();
  const auto path = create(1'000'000'000, "cWNvdzI=");
  Wire wire(port());
  wire.send(
      head("PATCH", path, alice, "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 1000000000\r\n") +
      image + std::string(65536, 'x'));
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status, 422) << received->body;
  EXPECT_EQ(received->code(), "image.backing_file");
  EXPECT_EQ(received->fields.at("connection"), "close");
  EXPECT_EQ(offset(path), "none");
  EXPECT_TRUE(is_alive(port()));
}

TEST_F(UploadTest, TwoWritersOfOneUploadAreKeptApart) {
  const auto path = create(1'000'000);
  Wire first(port());
  first.send(patch(path, 0, std::string(1'000'000, 'a')).substr(0, 500'000));
  while (offset(path).rfind("0/", 0) == 0) std::this_thread::sleep_for(5ms);
  const auto received = one(patch(path, 0, "b"));
  EXPECT_TRUE(received.status == 423 || received.status == 409) << received.status;
}

TEST_F(UploadTest, TooManyAtOnceAreToldToComeBack) {
  settings.limits.uploads = 1;
  const auto path = create(1'000'000);
  Wire first(port());
  first.send(patch(path, 0, std::string(1'000'000, 'a')).substr(0, 500'000));
  while (offset(path).rfind("0/", 0) == 0) std::this_thread::sleep_for(5ms);
  const auto received = one(patch(path, 0, "b"));
  EXPECT_EQ(received.status, 503);
  EXPECT_EQ(received.fields.count("retry-after"), 1U);
}

TEST_F(UploadTest, AnUploadsMemoryDoesNotGrowWithTheImage) {
  constexpr std::size_t kSize = 192 << 20;
  const auto path = create(kSize + 1);  // one byte stays away, so that nothing is rewritten here
  const std::string piece(1 << 20, 'm');
  Wire wire(port());
  wire.send(head("PATCH", path, alice,
                 "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: " + std::to_string(kSize) + "\r\n"));
  wire.send(piece);
  const auto before = resident_kibibytes();
  for (std::size_t sent = piece.size(); sent < kSize; sent += piece.size()) wire.send(piece);
  const auto received = wire.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->fields.at("upload-offset"), std::to_string(kSize));
  EXPECT_LT(resident_kibibytes(), before + 24 * 1024) << "KiB";
}

TEST_F(UploadTest, AServerThatStopsKeepsWhatHasArrived) {
  settings.timeouts.drain = 100ms;
  const auto path = create(1'000'000);
  Wire wire(port());
  wire.send(patch(path, 0, std::string(1'000'000, 's')).substr(0, 600'000));
  while (offset(path).rfind("0/", 0) == 0) std::this_thread::sleep_for(5ms);
  server.reset();
  const auto id = model::UploadId::parse(path.substr(path.rfind('/') + 1));
  ASSERT_TRUE(id);
  EXPECT_GT(house.uploads.status(house.caller("alice"), *id).offset, 0);
}

}  // namespace
}  // namespace velocity::edge::testing
