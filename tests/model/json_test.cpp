#include "framework/model/json.hpp"

#include <gtest/gtest.h>

#include <string>

#include "framework/model/error.hpp"

namespace velocity::model {
namespace {

std::string nested(int depth) { return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']'); }

void expect_malformed(const std::string& text) {
  try {
    parse_json(text);
    ADD_FAILURE() << "accepted " << text.substr(0, 60);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::request_malformed);
  }
}

TEST(Json, ThirtyTwoLevelsAreAcceptedAndThirtyThreeAreNot) {
  EXPECT_NO_THROW(parse_json(nested(32)));
  expect_malformed(nested(33));
}

TEST(Json, TwoHundredThousandOpenBracketsAreRefusedEarly) { expect_malformed(std::string(200'000, '[')); }

TEST(Json, AKeyThatStandsTwiceInOneObjectIsRefused) {
  expect_malformed(R"({"a":1,"a":2})");
  expect_malformed(R"({"x":[{"k":1,"k":1}]})");
}

TEST(Json, TheSameKeyInDifferentObjectsIsFine) { EXPECT_NO_THROW(parse_json(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})")); }

TEST(Json, WhatIsNotUtf8IsRefused) { expect_malformed("{\"a\":\"\xff\xfe\"}"); }

TEST(Json, ANumberThatNothingCanHoldIsRefused) { expect_malformed(R"({"a":1e999})"); }

TEST(Json, TextBehindTheDocumentIsRefused) { expect_malformed("{} {}"); }

TEST(Json, DumpingReplacesWhatIsNotUtf8InsteadOfThrowing) { EXPECT_NO_THROW(dump_json(Json(std::string("\xff")))); }

}  // namespace
}  // namespace velocity::model
