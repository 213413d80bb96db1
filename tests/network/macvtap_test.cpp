#include "framework/network/macvtap.hpp"

#include <gmock/gmock.h>
#include <net/if.h>

#include <cstdio>
#include <memory>
#include <string>

#include "framework/model/error.hpp"
#include "tests/network/namespace.hpp"

namespace velocity::network {
namespace {

class MacvtapTest : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (IsSkipped()) return;
    ip("link add card type veth peer name cable");
    ip("link set card up");
    ip("link set cable up");
  }
  static bool there(const char* name) { return ::if_nametoindex(name) != 0; }
  static std::string about(const std::string& name) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("/usr/sbin/ip -details link show " + name).c_str(), "r"), ::pclose);
    std::string text(4096, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), pipe.get()));
    return text;
  }
};

TEST_F(MacvtapTest, OneIsMadeOnAnInterfaceWithItsAddressAndSwitchedOn) {
  make_macvtap("vy1-0", "card", "02:00:00:00:00:11");
  const auto text = about("vy1-0");
  EXPECT_THAT(text, testing::HasSubstr("vy1-0@card"));
  EXPECT_THAT(text, testing::HasSubstr("02:00:00:00:00:11"));
  EXPECT_THAT(text, testing::HasSubstr("macvtap mode bridge"));
  EXPECT_THAT(text, testing::HasSubstr(",UP"));
}

TEST_F(MacvtapTest, ASecondOfTheNameTakesTheFirstOnesPlace) {
  make_macvtap("vy1-0", "card", "02:00:00:00:00:11");
  make_macvtap("vy1-0", "cable", "02:00:00:00:00:12");
  const auto text = about("vy1-0");
  EXPECT_THAT(text, testing::HasSubstr("vy1-0@cable"));
  EXPECT_THAT(text, testing::HasSubstr("02:00:00:00:00:12"));
}

TEST_F(MacvtapTest, RemovingTwiceIsNoError) {
  make_macvtap("vy1-0", "card", "02:00:00:00:00:11");
  remove_macvtap("vy1-0");
  EXPECT_FALSE(there("vy1-0"));
  remove_macvtap("vy1-0");
  EXPECT_TRUE(there("card"));
}

TEST_F(MacvtapTest, WhatIsNotPossibleIsAnErrorAndLeavesNothing) {
  EXPECT_THROW(make_macvtap("vy1-0", "nowhere", "02:00:00:00:00:11"), model::Error);
  EXPECT_THROW(make_macvtap("vy1-0", "card", "02:00:00:00:00"), model::Error);
  EXPECT_THROW(make_macvtap("vy1-0", "card", "no address at all"), model::Error);
  EXPECT_THROW(make_macvtap("a name that is far too long", "card", "02:00:00:00:00:11"), model::Error);
  EXPECT_FALSE(there("vy1-0"));
}

}  // namespace
}  // namespace velocity::network
