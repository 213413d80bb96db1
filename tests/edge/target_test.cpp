// The canonical form of a target.
#include "server/edge/target.hpp"

#include <gtest/gtest.h>

#include "framework/model/error.hpp"

namespace velocity::edge::testing {
namespace {

TEST(TargetTest, EquivalentPathsBecomeOne) {
  for (const auto* target :
       {"/u/user", "/u/user/", "/%75/user", "/u/us%65r", "/u/use%72/", "http://localhost/u/user", "http://localhost/u/user/"})
    EXPECT_EQ(normalise_target(target, 64).path, "/u/user") << target;
  for (const auto* target : {"/", "http://localhost", "http://localhost/"}) EXPECT_EQ(normalise_target(target, 64).path, "/") << target;
}

TEST(TargetTest, WhatMustBeEncodedStaysSo) {
  EXPECT_EQ(normalise_target("/a%20b%3f%c3%a9", 64).path, "/a%20b%3F%C3%A9");
  EXPECT_EQ(normalise_target("/a@b:c~d", 64).path, "/a@b:c~d");
}

TEST(TargetTest, TheQueryIsLeftAsItIs) {
  const auto target = normalise_target("/v/?name=a%20b&x=[1]|{2}&y=/../", 64);
  EXPECT_EQ(target.path, "/v");
  EXPECT_EQ(target.query, "?name=a%20b&x=[1]|{2}&y=/../");
}

TEST(TargetTest, PathsWithTwoMeaningsAreRefused) {
  for (const auto* target :
       {"",        "x",           "//",          "//a",      "/a//b",  "/a//",   "/.",           "/..",    "/a/../b", "/a/./b",
        "/./a",    "/.//a",       "/a/%2e%2e/b", "/a/%2E/b", "/a%2fb", "/a%5cb", "/a%00b",       "/a%0ab", "/a%7f",   "/a%",
        "/a%1",    "/a%zz",       "/a b",        "/a\tb",    "/a#b",   "/a\"b",  "/caf\xc3\xa9", "?x",     "*",       "ftp://localhost/x",
        "http:/x", "javascript:x"})
    EXPECT_THROW(normalise_target(target, 64), model::Error) << target;
}

}  // namespace
}  // namespace velocity::edge::testing
