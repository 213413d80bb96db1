#include "framework/model/field_reader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace velocity::model {
namespace {

std::vector<Problem> problems_of(FieldReader& reader) {
  try {
    reader.finish();
  } catch (const Error& error) {
    return error.problems();
  }
  return {};
}

TEST(FieldReader, AllProblemsAreReportedAtOnceEachWithItsPath) {
  const Json object{{"count", -1}, {"name", ""}, {"flag", "yes"}, {"id", "x"}, {"list", Json::array({1, "two", 3.5})}};
  FieldReader reader(object);
  reader.integer("count", 0, 10);
  reader.name("name");
  reader.boolean("flag");
  reader.id<CatalogId>("id");
  reader.integers("list", 0, 10);
  reader.require("missing", reader.text("missing"));
  std::vector<std::string> paths;
  for (const auto& problem : problems_of(reader)) paths.push_back(problem.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"/count", "/name", "/flag", "/id", "/list/1", "/list/2", "/missing"}));
}

TEST(FieldReader, IntegersNeverWrap) {
  const Json object{{"a", 4294967297}, {"b", 18446744073709551615ULL}, {"c", "99999999999999999999"}, {"d", 1.5}, {"e", "1e3"}, {"f", " 1"}, {"g", true}};
  FieldReader reader(object);
  for (const auto* field : {"a", "b", "c", "d", "e", "f", "g"}) EXPECT_FALSE(reader.integer(field, 0, 1 << 20)) << field;
  EXPECT_EQ(problems_of(reader).size(), 7U);
}

TEST(FieldReader, ADecimalStringStandsForAnInteger) {
  const Json object{{"gid", "17"}};
  FieldReader reader(object);
  EXPECT_EQ(reader.integer("gid", 0, 100), 17);
  EXPECT_TRUE(problems_of(reader).empty());
}

TEST(FieldReader, NullIsTheSameAsAbsent) {
  const Json object{{"name", nullptr}};
  FieldReader reader(object);
  EXPECT_FALSE(reader.has("name"));
  EXPECT_FALSE(reader.name("name"));
  EXPECT_TRUE(problems_of(reader).empty());
}

TEST(FieldReader, AClosedOneNamesWhatNobodyAskedForBesideWhatIsMissing) {
  const Json object{{"vmid", 1}, {"cpus", 2}, {"nothing", nullptr}};
  FieldReader reader(object);
  reader.integer("vmid", 0, 9);
  reader.require("name", reader.name("name"));
  try {
    reader.finish_closed();
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.problems(), (std::vector<Problem>{{"/name", "is required"}, {"/cpus", "is not a field of this request"}}));
  }
}

TEST(Names, BadOnesAreRefused) {
  for (const auto& name : {std::string(), std::string("."), std::string(".."), std::string(300, 'x'), std::string(65, 'x'), std::string("a/b"), std::string("a\nb"),
                           std::string("a\0b", 3), std::string(" a"), std::string("a "), std::string("\x7f"),
                           std::string("\xc2\x85"), std::string("\xef\xbf\xbe"), std::string("\xff"), std::string("\xc0\xaf"), std::string("\xed\xa0\x80")})
    EXPECT_TRUE(name_fault(name)) << name;
}

TEST(Names, LettersOfAnyLanguageAreFine) {
  std::string sixty_four;
  for (int i = 0; i < 64; ++i) sixty_four += "\xc3\xa4";
  for (const auto& name : {std::string("web 1"), std::string("-x"), sixty_four}) EXPECT_FALSE(name_fault(name)) << name;
}

}  // namespace
}  // namespace velocity::model
