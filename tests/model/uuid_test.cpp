#include "framework/model/uuid.hpp"

#include <gtest/gtest.h>

#include <set>

namespace velocity::model {
namespace {

TEST(Uuid, TextAndParsingAreEachOthersInverse) {
  const auto uuid = Uuid::random();
  EXPECT_EQ(Uuid::parse(uuid.text()), uuid);
}

TEST(Uuid, UpperCaseIsTheSameUuid) {
  EXPECT_EQ(Uuid::parse("2DE02519-C347-432C-9923-3753C3538E02"), Uuid::parse("2de02519-c347-432c-9923-3753c3538e02"));
}

TEST(Uuid, AnythingButThe36CharacterFormIsRefused) {
  for (const auto* text : {"", "2de02519", "2de02519c347432c99233753c3538e02", "{2de02519-c347-432c-9923-3753c3538e02}",
                           "2de02519-c347-432c-9923-3753c3538e0g", "2de02519-c347-432c-99233-753c3538e02", "2de02519-c347-432c-9923-3753c3538e02 "})
    EXPECT_FALSE(Uuid::parse(text)) << text;
}

TEST(Uuid, RandomOnesAreOfVersionFourAndDiffer) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto uuid = Uuid::random();
    EXPECT_EQ(uuid.text()[14], '4');
    EXPECT_NE(std::string("89ab").find(uuid.text()[19]), std::string::npos);
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

}  // namespace
}  // namespace velocity::model
