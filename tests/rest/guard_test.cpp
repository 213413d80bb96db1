// What the guard does around every handler. No services: the handlers are the test's.
#include <gtest/gtest.h>

#include "tests/rest/rest_fixture.hpp"

namespace velocity::rest {
namespace {

class Guarded : public testing::Test {
 protected:
  static Route route(Method method, const std::string& path, Credential credential, std::function<Answer(Request&)> handler) {
    return {method, path, credential, "", "", std::move(handler)};
  }

  Answer ask(const Guard& guard, Method method, const std::string& path, std::string_view body = {}, const std::string& query = {}) {
    Incoming incoming;
    incoming.method = method;
    incoming.body = body;
    incoming.query = query;
    incoming.id = "the-id";
    return guard.answer(guard.offers().at(path), std::move(incoming));
  }

  static std::string header(const Answer& answer, const std::string& wanted) {
    for (const auto& [name, value] : answer.headers)
      if (name == wanted) return value;
    return "";
  }

  test::TemporaryDirectory directory_;
  store::Database database_{directory_ / "velocity.db"};
  service::Inventory inventory_{database_};
  service::Passwords passwords_{test::kCheap};
  service::Sessions sessions_{inventory_, passwords_, 3600};
  service::Replies replies_{inventory_};
};

TEST_F(Guarded, WhateverAHandlerThrowsIsAnAnswerThatKeepsItsSecret) {
  const Guard guard(sessions_, replies_, test::silent_log(),
                    {route(Method::get, "/number", Credential::none, [](Request&) -> Answer { throw 42; }),
                     route(Method::get, "/standard", Credential::none, [](Request&) -> Answer { throw std::runtime_error("the secret"); }),
                     route(Method::get, "/ours", Credential::none,
                           [](Request&) -> Answer { throw model::Error(model::ErrorCode::catalog_not_found, "No such", "the secret"); })});
  for (const auto* path : {"/number", "/standard"}) {
    const auto answer = ask(guard, Method::get, path);
    EXPECT_EQ(answer.status, 500);
    EXPECT_NE(answer.body.find("the-id"), std::string::npos);
    EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  }
  const auto answer = ask(guard, Method::get, "/ours");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.type, "application/problem+json");
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
}

TEST_F(Guarded, AMethodThatIsNotOfferedIs405WithThoseThatAre) {
  const Guard guard(sessions_, replies_, test::silent_log(),
                    {route(Method::get, "/x", Credential::none, [](Request&) { return Answer::empty(); }),
                     route(Method::put, "/x", Credential::none, [](Request&) { return Answer::empty(); })});
  const auto answer = ask(guard, Method::remove, "/x");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(header(answer, "Allow"), "GET, HEAD, PUT");
}

TEST_F(Guarded, WithoutAnAuthkeyTheHandlerIsNotReached) {
  bool reached = false;
  const Guard guard(sessions_, replies_, test::silent_log(), {route(Method::get, "/x", Credential::caller, [&](Request&) {
                      reached = true;
                      return Answer::empty();
                    })});
  const auto answer = ask(guard, Method::get, "/x");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(header(answer, "WWW-Authenticate"), "Bearer");
  EXPECT_EQ(ask(guard, Method::get, "/x", R"({"authkey":"wrong"})").status, 401);
  EXPECT_FALSE(reached);
}

TEST_F(Guarded, TooManyAndUnavailableSayWhenToComeAgain) {
  const Guard guard(sessions_, replies_, test::silent_log(), {route(Method::get, "/x", Credential::none, [](Request&) -> Answer {
                      throw model::Error(model::ErrorCode::hypervisor_unavailable, "away");
                    })});
  const auto answer = ask(guard, Method::get, "/x");
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(header(answer, "Retry-After"), "");
}

TEST_F(Guarded, TheQueryCountsForGetAndDeleteOnly) {
  Json seen;
  const auto keep = [&](Request& request) {
    seen = request.fields;
    return Answer::empty();
  };
  const Guard guard(sessions_, replies_, test::silent_log(),
                    {route(Method::get, "/x", Credential::none, keep), route(Method::post, "/x", Credential::none, keep)});
  ask(guard, Method::get, "/x", R"({"a":1})", "b=2");
  EXPECT_EQ(seen, (Json{{"a", 1}, {"b", "2"}}));
  ask(guard, Method::post, "/x", R"({"a":1})", "b=2");
  EXPECT_EQ(seen, (Json{{"a", 1}}));
}

TEST_F(Guarded, AnAuthkeyInTheUrlIsRefusedOnEveryMethod) {
  const Guard guard(sessions_, replies_, test::silent_log(), {route(Method::post, "/x", Credential::none, [](Request&) { return Answer::empty(); })});
  EXPECT_EQ(ask(guard, Method::post, "/x", {}, "authkey=k").status, 400);
}

TEST_F(Guarded, TwoRoutesForTheSameAreAMistakeOfTheTables) {
  const auto twice = [&] {
    const Guard guard(sessions_, replies_, test::silent_log(),
                      {route(Method::get, "/x", Credential::none, [](Request&) { return Answer::empty(); }),
                       route(Method::get, "/x", Credential::none, [](Request&) { return Answer::empty(); })});
  };
  EXPECT_THROW(twice(), std::logic_error);
}

}  // namespace
}  // namespace velocity::rest
