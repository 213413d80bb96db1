#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <velocity/fields.hpp>

namespace velocity::sdk {
namespace {

using testing::UnorderedElementsAre;

std::vector<std::string> problems(Fields& fields) {
  std::vector<std::string> lines;
  try {
    fields.finish();
  } catch (const Invalid& invalid) {
    for (const auto& [path, message] : invalid.problems()) lines.push_back(path + ": " + message);
  }
  return lines;
}

TEST(FieldsTest, WhatIsThereIsRead) {
  const Json object{{"n", 5}, {"text", "t"}, {"decimal", "12"}, {"on", true}, {"off", "false"}, {"bus", "sata"}, {"null", nullptr}};
  Fields fields(object);
  EXPECT_EQ(fields.integer("n", 0, 9), 5);
  EXPECT_EQ(fields.integer("decimal", 0, 99), 12);
  EXPECT_EQ(fields.text("text"), "t");
  EXPECT_EQ(fields.boolean("on"), true);
  EXPECT_EQ(fields.boolean("off"), false);
  EXPECT_EQ(fields.one_of("bus", {"virtio", "sata"}), "sata");
  EXPECT_EQ(fields.integer("absent", 0, 9), std::nullopt);
  EXPECT_EQ(fields.integer("null", 0, 9), std::nullopt);
  fields.refuse_others();
  EXPECT_TRUE(problems(fields).empty());
}

TEST(FieldsTest, EveryProblemIsCollectedWithItsPath) {
  const Json object{{"n", 10}, {"huge", std::uint64_t{18446744073709551615U}}, {"half", 0.5}, {"word", "12x"}, {"text", "abcd"}, {"bus", "isa"}, {"on", 1}, {"a/b", 1}};
  Fields fields(object, "/options");
  fields.integer("n", 0, 9);
  fields.integer("huge", 0, 9);
  fields.integer("half", 0, 9);
  fields.integer("word", 0, 9);
  fields.text("text", 3);
  fields.one_of("bus", {"virtio", "sata"});
  fields.boolean("on");
  fields.require("needed", fields.text("needed"));
  fields.refuse_others();
  const std::string whole = "must be a whole number from 0 to 9";
  EXPECT_THAT(problems(fields), UnorderedElementsAre("/options/n: " + whole, "/options/huge: " + whole, "/options/half: " + whole, "/options/word: " + whole,
                                                     "/options/text: must be a text of at most 3 bytes", "/options/bus: must be one of virtio, sata",
                                                     "/options/on: must be true or false", "/options/needed: is required", "/options/a~1b: is not known here"));
}

TEST(FieldsTest, WhatIsNoObjectIsOneProblem) {
  const Json list = Json::array();
  Fields fields(list);
  EXPECT_EQ(fields.integer("n", 0, 9), std::nullopt);
  fields.refuse_others();
  EXPECT_THAT(problems(fields), UnorderedElementsAre(": must be an object"));
}

}  // namespace
}  // namespace velocity::sdk
