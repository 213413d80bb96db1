#include "framework/model/error.hpp"

#include <gtest/gtest.h>

#include <set>

#include "framework/model/names.hpp"

namespace velocity::model {
namespace {

TEST(ErrorCodes, EachHasItsOwnNameOfTheFormAreaDotWord) {
  std::set<std::string_view> names;
  for (const auto code : all_error_codes()) {
    EXPECT_NE(name(code).find('.'), std::string_view::npos);
    EXPECT_TRUE(names.insert(name(code)).second) << name(code);
  }
}

TEST(Enumerations, EveryNameReadsBackAsItsValue) {
  for (const auto& [value, text] : names<MachineState>()) EXPECT_EQ(find_named<MachineState>(text), value);
  for (const auto& [value, text] : names<Permission>()) EXPECT_EQ(find_named<Permission>(text), value);
  EXPECT_EQ(names<Permission>().size(), static_cast<std::size_t>(kPermissionCount));
  EXPECT_FALSE(find_named<MachineState>("running"));
}

}  // namespace
}  // namespace velocity::model
