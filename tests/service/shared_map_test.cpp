#include "framework/service/shared_map.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

namespace velocity::service {
namespace {

using Map = SharedMap<int, int>;

std::map<int, int> contents(const Map& map) {
  std::map<int, int> all;
  map.visit_all([&](int key, const auto& value) { all[key] = *value; });
  return all;
}

TEST(SharedMap, BehavesLikeAnOrdinaryMapUnderAnyChanges) {
  EXPECT_TRUE(rc::check([](const std::vector<std::pair<int, bool>>& steps) {
    Map map;
    std::map<int, int> model;
    int value = 0;
    for (const auto& [raw, set] : steps) {
      const int key = raw % 50;
      if (set) {
        map.set(key, ++value);
        model[key] = value;
      } else {
        map.erase(key);
        model.erase(key);
      }
      RC_ASSERT(map.size() == model.size());
      RC_ASSERT((map.find(key) != nullptr) == (model.count(key) > 0));
    }
    RC_ASSERT(contents(map) == model);
  }));
}

TEST(SharedMap, VisitingFromAKeyYieldsTheRestInOrder) {
  Map map;
  for (int key = 0; key < 2000; key += 2) map.set(key, key);
  std::vector<int> seen;
  map.visit_from(1001, [&](int key, const auto&) {
    seen.push_back(key);
    return seen.size() < 300;
  });
  ASSERT_EQ(seen.size(), 300U);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], 1002 + 2 * static_cast<int>(i));
}

TEST(SharedMap, ACopyDoesNotSeeWhatHappensToTheOriginal) {
  Map map;
  for (int key = 0; key < 1000; ++key) map.set(key, key);
  const Map copy = map;
  for (int key = 0; key < 1000; ++key) map.erase(key);
  EXPECT_EQ(map.size(), 0U);
  EXPECT_EQ(contents(copy).size(), 1000U);
}

}  // namespace
}  // namespace velocity::service
