#include "framework/model/mac_address.hpp"

#include <gtest/gtest.h>

#include <set>

namespace velocity::model {
namespace {

TEST(MacAddress, IsReadInEitherCaseAndKeptInLowerCase) { EXPECT_EQ(read_mac_address("02:DF:38:20:b3:F9"), "02:df:38:20:b3:f9"); }

TEST(MacAddress, OfNoStationIsRefused) {
  for (const auto* text : {"", "02:df:38:20:b3", "02:df:38:20:b3:f9:00", "02-df-38-20-b3-f9", "02:df:38:20:b3:fg", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff",
                           "00:00:00:00:00:00", "02:df:38:20:b3: 9", "02:df:38:20:b3:f9\n"})
    EXPECT_EQ(read_mac_address(text), std::nullopt) << text;
}

TEST(MacAddress, MadeByUsIsLocallyAdministeredAndNeverTheSame) {
  std::set<std::string> made;
  for (int i = 0; i < 10'000; ++i) {
    const auto address = random_mac_address();
    ASSERT_EQ(read_mac_address(address), address);
    ASSERT_EQ(address.substr(0, 3), "02:");
    made.insert(address);
  }
  EXPECT_EQ(made.size(), 10'000U);
}

}  // namespace
}  // namespace velocity::model
