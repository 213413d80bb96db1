#include "framework/service/sessions.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "framework/model/error.hpp"
#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;

using test::refusal;

class SessionsTest : public testing::Test {
 protected:
  SessionsTest() {
    inventory_.change([&](Change& change) {
      change.put(model::Group{model::kRootGroup, "root"});
      change.put(model::User{model::kRootUser, "root", passwords_.hash("root-password"), model::kRootGroup, {model::kRootGroup}});
    });
  }

  test::TemporaryDirectory directory_;
  store::Database database_{directory_ / "velocity.db"};
  Inventory inventory_{database_};
  Passwords passwords_{test::kCheap};
  Sessions sessions_{inventory_, passwords_, 3600};
};

TEST_F(SessionsTest, TheRightPasswordGivesAnAuthkeyThatStandsForTheUser) {
  const auto session = sessions_.sign_in("root", "root-password", "peer");
  EXPECT_EQ(sessions_.caller(session.authkey).uid(), model::kRootUser);
}

TEST_F(SessionsTest, AWrongPasswordAndAnUnknownUserAreRefusedInTheSameWords) {
  std::vector<std::string> words;
  for (const auto* name : {"root", "nobody"}) try {
      sessions_.sign_in(name, "wrong", "peer");
    } catch (const model::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::auth_failed);
      words.push_back(error.message());
    }
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(words[0], words[1]);
}

TEST_F(SessionsTest, ARenewedAuthkeyIsDeadAtOnce) {
  const auto old = sessions_.sign_in("root", "root-password", "peer");
  const auto renewed = sessions_.renew(old.authkey);
  EXPECT_EQ(refusal([&] { sessions_.caller(old.authkey); }), ErrorCode::auth_expired);
  EXPECT_EQ(refusal([&] { sessions_.renew(old.authkey); }), ErrorCode::auth_refused);
  EXPECT_NO_THROW(sessions_.caller(renewed.authkey));
}

TEST_F(SessionsTest, SigningOutKillsTheAuthkeyAndAnUnknownOneIsFine) {
  const auto session = sessions_.sign_in("root", "root-password", "peer");
  sessions_.sign_out(session.authkey);
  EXPECT_EQ(refusal([&] { sessions_.caller(session.authkey); }), ErrorCode::auth_expired);
  EXPECT_NO_THROW(sessions_.sign_out(session.authkey));
  EXPECT_NO_THROW(sessions_.sign_out(""));
}

TEST_F(SessionsTest, AnAuthkeyEndsWhenItsTimeIsOver) {
  Sessions brief(inventory_, passwords_, 0);
  const auto session = brief.sign_in("root", "root-password", "peer");
  EXPECT_EQ(refusal([&] { brief.caller(session.authkey); }), ErrorCode::auth_expired);
}

TEST_F(SessionsTest, AfterTenFailuresEvenTheRightPasswordMustWaitButOnlyFromThere) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(refusal([&] { sessions_.sign_in("root", "wrong", "guesser"); }), ErrorCode::auth_failed);
  EXPECT_EQ(refusal([&] { sessions_.sign_in("root", "root-password", "guesser"); }), ErrorCode::auth_too_many);
  EXPECT_NO_THROW(sessions_.sign_in("root", "root-password", "elsewhere"));
}

TEST(Passwords, MoreThanAFewAtOnceAreSentAwaySoThatWorkersStayFree) {
  Passwords passwords;
  const auto hash = passwords.hash("x");
  std::atomic<int> sent_away{0}, served{0};
  std::vector<std::thread> crowd;
  for (int i = 0; i < 12; ++i)
    crowd.emplace_back([&] {
      try {
        passwords.matches(hash, "x");
        ++served;
      } catch (const model::Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::auth_too_many);
        ++sent_away;
      }
    });
  for (auto& thread : crowd) thread.join();
  EXPECT_GE(served, 2);
  EXPECT_GE(sent_away, 1);
}

TEST_F(SessionsTest, TheAuthkeyItselfIsNotInTheDatabase) {
  const auto session = sessions_.sign_in("root", "root-password", "peer");
  for (const auto& key : database_.load().authkeys)
    EXPECT_EQ(std::string(key.hash.begin(), key.hash.end()).find(session.authkey), std::string::npos);
  EXPECT_GE(session.authkey.size(), 43U);
}

}  // namespace
}  // namespace velocity::service
