#include "framework/model/json.hpp"

#include <gtest/gtest.h>

#include <string>

#include "framework/model/error.hpp"

namespace velocity::model {
namespace {

std::string nested(int depth) { return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']'); }

std::string refusal(const std::string& text) {
  try {
    parse_json(text);
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

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

TEST(Json, ADocumentIsWhatStandsInIt) {
  const std::string text = R"({"a":[1,-2,2.5,true,null,{"b":"\u00e4"},[]],"c":{},"d":{"a":{"a":"x"}},"e":18446744073709551615})";
  EXPECT_EQ(parse_json(text), Json::parse(text));
  for (const auto* simple : {"7", "\"x\"", "null", "[]", "{}", " [ { } ] "}) EXPECT_EQ(parse_json(simple), Json::parse(simple)) << simple;
}

TEST(Json, WhatIsRefusedIsToldWithItsReason) {
  EXPECT_EQ(refusal(R"({"a":1,"a":2})"), "The JSON has the key \"a\" twice in one object");
  EXPECT_EQ(refusal("[1,]"), "The text is not valid JSON: it fails at byte 4");
  EXPECT_EQ(refusal("[1e999]"), "The text is not valid JSON: it has a number out of range");
  EXPECT_EQ(refusal(nested(40)), "The JSON is nested deeper than 32 levels");
  EXPECT_EQ(refusal(""), "The text is not valid JSON: it fails at byte 1");
}

TEST(Json, TextBehindTheDocumentIsRefused) { expect_malformed("{} {}"); }

TEST(Json, DumpingReplacesWhatIsNotUtf8InsteadOfThrowing) { EXPECT_NO_THROW(dump_json(Json(std::string("\xff")))); }

}  // namespace
}  // namespace velocity::model
