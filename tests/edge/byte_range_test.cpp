// The header field Range, as RFC 9110 has it.
#include <gtest/gtest.h>

#include "framework/model/error.hpp"
#include "server/edge/byte_range.hpp"

namespace velocity::edge {
namespace {

std::string read(std::string_view range, std::int64_t size = 1000) {
  try {
    const auto found = find_range(range, size);
    return found ? std::to_string(found->first) + "+" + std::to_string(found->count) : "whole";
  } catch (const model::Error& error) {
    return std::string(model::name(error.code()));
  }
}

TEST(ByteRange, IsReadAsItIsMeant) {
  EXPECT_EQ(read("bytes=0-499"), "0+500");
  EXPECT_EQ(read("bytes=500-"), "500+500");
  EXPECT_EQ(read("bytes=-500"), "500+500");
  EXPECT_EQ(read("bytes=999-999"), "999+1");
  EXPECT_EQ(read("bytes=0-99999999999999999999"), "0+1000");
  EXPECT_EQ(read("bytes=-99999999999999999999"), "0+1000");
  EXPECT_EQ(read("bytes= 0-0 "), "0+1");
}

TEST(ByteRange, BehindTheEndIsRefused) {
  for (const auto* range : {"bytes=1000-", "bytes=1000-1001", "bytes=99999999999999999999-", "bytes=-0"}) EXPECT_EQ(read(range), "request.range") << range;
  EXPECT_EQ(read("bytes=-5", 0), "request.range");
}

TEST(ByteRange, WhatIsNotUnderstoodIsTheWhole) {
  for (const auto* range : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=0-1,3-4", "bytes=1-x", "bytes=x-1", "bytes=0x1-2", "lines=1-2", "bytes=--1",
                            "bytes=1--2", "bytes=+1-2"})
    EXPECT_EQ(read(range), "whole") << range;
}

}  // namespace
}  // namespace velocity::edge
