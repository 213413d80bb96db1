// The Upload-Metadata header.
#include <gtest/gtest.h>

#include "framework/model/error.hpp"
#include "server/edge/tus_metadata.hpp"

namespace velocity::edge::testing {
namespace {

using Metadata = std::map<std::string, std::string>;

TEST(MetadataTest, ValuesAreDecodedByKey) {
  EXPECT_EQ(parse_tus_metadata("label ZGlzaw==,group MA==, format cmF3"), (Metadata{{"label", "disk"}, {"group", "0"}, {"format", "raw"}}));
  EXPECT_EQ(parse_tus_metadata("flag,other "), (Metadata{{"flag", ""}, {"other", ""}}));
  EXPECT_EQ(parse_tus_metadata(""), Metadata{});
  EXPECT_EQ(parse_tus_metadata("zero AAAA").at("zero"), std::string(3, '\0'));
}

TEST(MetadataTest, AnythingElseIsRefused) {
  for (const auto* text : {"a ZGlzaw", "a ZGlz*w==", "a Z=lzaw==", "a ====", "a ZGlzaw== b", ",", "a ZGlz,,b ZGlz", "a ZGlz,a ZGlz", " ",
                           "a Z===", "a \x80\x80\x80\x80"})
    EXPECT_THROW(parse_tus_metadata(text), model::Error) << text;
}

}  // namespace
}  // namespace velocity::edge::testing
