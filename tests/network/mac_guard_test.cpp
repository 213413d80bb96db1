#include "framework/network/mac_guard.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "framework/model/error.hpp"
#include "tests/network/namespace.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::network {
namespace {

using Mac = std::array<unsigned char, 6>;
constexpr Mac kOwn{0x02, 0, 0, 0, 0, 0x11};
constexpr Mac kForeign{0x02, 0, 0, 0, 0, 0x12};
constexpr auto* kOwnText = "02:00:00:00:00:11";
constexpr unsigned kType = 0x88b5;  // an EtherType for experiments

// Raw frames on one interface.
class Wire {
 public:
  explicit Wire(const std::string& interface) : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(kType))) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(kType);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Wire() { ::close(socket_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // A frame with this source; `mark` tells it from others. That one is dropped on its way out is told to who sends it: no error here.
  void send(const Mac& source, char mark) const {
    std::array<unsigned char, 60> frame{};
    frame.fill(0xff);  // to everybody
    std::memcpy(&frame[6], source.data(), source.size());
    frame[12] = kType >> 8;
    frame[13] = kType & 0xff;
    frame[14] = static_cast<unsigned char>(mark);
    const auto sent = ::send(socket_, frame.data(), frame.size(), 0);
    EXPECT_TRUE(sent == static_cast<ssize_t>(frame.size()) || errno == ENOBUFS) << std::strerror(errno);
  }

  // The marks of what arrives up to the one given, which must come within five seconds.
  std::string marks_until(char last) const {
    std::string marks;
    while (marks.find(last) == std::string::npos) {
      pollfd event{socket_, POLLIN, 0};
      if (::poll(&event, 1, 5000) != 1) return marks + " and then nothing";
      std::array<unsigned char, 2048> frame{};
      if (::recv(socket_, frame.data(), frame.size(), 0) > 14) marks += static_cast<char>(frame[14]);
    }
    return marks;
  }

 private:
  int socket_;
};

std::string output(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) text.append(buffer.data(), got);
  return text;
}

// A guest's wire (guest – tap) and somebody on the same bridge (port – peer).
class MacGuardTest : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped()) return;
    ip("link add br0 type bridge");
    ip("link add tap type veth peer name guest");
    ip("link add port type veth peer name peer");
    ip("link set tap master br0");
    ip("link set port master br0");
    for (const auto* name : {"br0", "tap", "guest", "port", "peer"}) ip(std::string("link set ") + name + " up");
  }

  static std::string rules() { return output("/usr/sbin/nft list ruleset"); }

  MacGuard guard_;
};

TEST_F(MacGuardTest, WithoutAGuardAGuestMaySendFromAnyAddress) {
  const Wire guest("guest"), peer("peer");
  guest.send(kForeign, 'f');
  guest.send(kOwn, 'o');
  EXPECT_EQ(peer.marks_until('o'), "fo");
}

TEST_F(MacGuardTest, OnABridgeASpoofedFrameIsDroppedAndTheGuestsOwnPasses) {
  guard_.guard("tap", Joint::bridge, kOwnText);
  const Wire guest("guest"), peer("peer");
  guest.send(kForeign, 'f');
  guest.send(kOwn, 'o');
  EXPECT_EQ(peer.marks_until('o'), "o");
}

TEST_F(MacGuardTest, OnAMacvtapWhatIsSentThroughTheDeviceIsJudgedJustSo) {
  guard_.guard("guest", Joint::macvtap, kOwnText);
  const Wire guest("guest"), peer("peer");
  guest.send(kForeign, 'f');
  guest.send(kOwn, 'o');
  EXPECT_EQ(peer.marks_until('o'), "o");
}

TEST_F(MacGuardTest, WhatIsSentToTheGuestPasses) {
  guard_.guard("tap", Joint::bridge, kOwnText);
  const Wire guest("guest"), peer("peer");
  peer.send(kForeign, 'f');
  EXPECT_EQ(guest.marks_until('f'), "f");
}

TEST_F(MacGuardTest, ASecondGuardOfADeviceTakesThePlaceOfTheFirst) {
  guard_.guard("tap", Joint::bridge, "02:00:00:00:00:99");
  guard_.guard("tap", Joint::bridge, kOwnText);
  guard_.guard("tap", Joint::bridge, kOwnText);
  const Wire guest("guest"), peer("peer");
  guest.send(kForeign, 'f');
  guest.send(kOwn, 'o');
  EXPECT_EQ(peer.marks_until('o'), "o");
  EXPECT_EQ(rules().find("02:00:00:00:00:99"), std::string::npos);
}

TEST_F(MacGuardTest, ADeviceThatComesAgainUnderTheSameNameIsGuardedAnew) {
  guard_.guard("tap", Joint::bridge, "02:00:00:00:00:99");
  ip("link del tap");
  ip("link add tap type veth peer name guest");
  ip("link set tap master br0");
  ip("link set tap up");
  ip("link set guest up");
  guard_.guard("tap", Joint::bridge, kOwnText);
  const Wire guest("guest"), peer("peer");
  guest.send(kForeign, 'f');
  guest.send(kOwn, 'o');
  EXPECT_EQ(peer.marks_until('o'), "o");
}

TEST_F(MacGuardTest, AReleasedDeviceIsFreeAndReleasingTwiceIsNoError) {
  guard_.guard("tap", Joint::bridge, kOwnText);
  guard_.release("tap");
  guard_.release("tap");
  guard_.release("never-there");
  const Wire guest("guest"), peer("peer");
  guest.send(kForeign, 'f');
  EXPECT_EQ(peer.marks_until('f'), "f");
  EXPECT_EQ(rules().find("chain"), std::string::npos);
}

TEST_F(MacGuardTest, TheDevicesThatAreGuardedAreKnown) {
  EXPECT_TRUE(guard_.guarded().empty());
  guard_.guard("tap", Joint::bridge, kOwnText);
  guard_.guard("guest", Joint::macvtap, kOwnText);
  ASSERT_EQ(std::system("/usr/sbin/nft 'add table netdev other; add chain netdev other guest-port'"), 0);
  EXPECT_THAT(guard_.guarded(), testing::ElementsAre("guest", "tap"));
  guard_.release("tap");
  EXPECT_THAT(guard_.guarded(), testing::ElementsAre("guest"));
}

TEST_F(MacGuardTest, NothingButNamesAndAddressesGetsIntoTheScript) {
  const auto before = rules();
  for (const auto* device : {"", "tap; flush ruleset", "tap\"", "a name that is far too long", "tap\n", "../tap"}) {
    EXPECT_THROW(guard_.guard(device, Joint::bridge, kOwnText), model::Error) << device;
    EXPECT_THROW(guard_.release(device), model::Error) << device;
  }
  for (const auto* mac : {"", "02:00:00:00:00:1", "02:00:00:00:00:11 accept", "02-00-00-00-00-11", "02:00:00:00:00:1g", "{ 02:00:00:00:00 "})
    EXPECT_THROW(guard_.guard("tap", Joint::bridge, mac), model::Error) << mac;
  EXPECT_EQ(rules(), before);
}

TEST_F(MacGuardTest, WhenTheFilterCannotBeSetUpTheErrorSaysWhy) {
  try {
    MacGuard("/nowhere/nft").guard("tap", Joint::bridge, kOwnText);
    FAIL() << "it was set up";
  } catch (const model::Error& error) {
    EXPECT_EQ(error.code(), model::ErrorCode::network_failed);
    EXPECT_NE(error.detail().find("/nowhere/nft"), std::string::npos);
  }
  const test::TemporaryDirectory directory;
  const auto sulky = directory.path() / "nft";
  std::ofstream(sulky) << "#!/bin/sh\necho 'no such table' >&2\nexit 1\n";
  std::filesystem::permissions(sulky, std::filesystem::perms::owner_all);
  try {
    MacGuard(sulky).guard("tap", Joint::bridge, kOwnText);
    FAIL() << "it was set up";
  } catch (const model::Error& error) {
    EXPECT_NE(error.detail().find("no such table"), std::string::npos);
    EXPECT_EQ(error.message().find(directory.path().string()), std::string::npos);
  }
}

}  // namespace
}  // namespace velocity::network
