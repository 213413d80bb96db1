// What a client sent → one object.
#include <gtest/gtest.h>

#include "framework/model/error.hpp"
#include "server/fields.hpp"

namespace velocity::server {
namespace {

using model::ErrorCode;

constexpr const char* kForm = "application/x-www-form-urlencoded";

template <class Work>
std::string refusal(Work work) {
  try {
    work();
  } catch (const model::Error& error) {
    std::string text(model::name(error.code()));
    for (const auto& problem : error.problems()) text += " " + problem.path;
    return text;
  }
  return "accepted";
}

struct BodyRow {
  const char* body;
  const char* type;
  const char* fields;  // JSON, or the code of the refusal
};

class Bodies : public testing::TestWithParam<BodyRow> {};

TEST_P(Bodies, AreReadAsTheContractSays) {
  const auto& row = GetParam();
  std::string got;
  const auto refused = refusal([&] { got = read_body(row.body, row.type).dump(); });
  EXPECT_EQ(refused == "accepted" ? got : refused, row.fields);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Bodies,
    testing::Values(BodyRow{"", "", "{}"}, BodyRow{"", kForm, "{}"}, BodyRow{" \r\n\t", "application/json", "{}"},
                    BodyRow{R"({"a":1})", "application/json", R"({"a":1})"},
                    BodyRow{R"({"a":1})", kForm, R"({"a":1})"},  // as curl -d sends it
                    BodyRow{R"( {"a":1} )", kForm, R"({"a":1})"}, BodyRow{R"({"a":1})", "text/plain", R"({"a":1})"},
                    BodyRow{R"({"a":1})", "", R"({"a":1})"}, BodyRow{"\xEF\xBB\xBF{\"a\":1}", "", R"({"a":1})"},
                    BodyRow{"a=1&b=2", kForm, R"({"a":"1","b":"2"})"},
                    BodyRow{"a=1&b=2", "Application/X-WWW-Form-Urlencoded; charset=utf-8", R"({"a":"1","b":"2"})"},
                    BodyRow{"a=1&a=2&a=3", kForm, R"({"a":["1","2","3"]})"}, BodyRow{"a=x+y%20z%C3%A4", kForm, "{\"a\":\"x y z\xC3\xA4\"}"},
                    BodyRow{"a", kForm, R"({"a":""})"}, BodyRow{"&&a=1&", kForm, R"({"a":"1"})"}, BodyRow{"a=%7B", kForm, R"({"a":"{"})"},
                    BodyRow{"a=1", "application/json", "request.malformed"}, BodyRow{"a=%ff", kForm, "request.malformed"},
                    BodyRow{"a=%", kForm, "request.malformed"}, BodyRow{"{\"a\":", kForm, "request.malformed"},
                    BodyRow{"[1]", kForm, "request.invalid "}, BodyRow{"[]", "", "request.invalid "},
                    BodyRow{"null", "", "request.invalid "}, BodyRow{"7", "application/json", "request.invalid "},
                    BodyRow{R"({"a":1,"a":2})", "", "request.malformed"}, BodyRow{"{\"a\":\"\xff\"}", "", "request.malformed"},
                    BodyRow{R"({"a":1e999})", "", "request.malformed"}, BodyRow{R"({"a":1} x)", "", "request.malformed"},
                    BodyRow{"--x\r\n", "multipart/form-data; boundary=x", "request.not_understood"}));

TEST(Queries, AddWhatTheBodyLacks) {
  Json fields{{"a", 1}};
  merge_query(fields, read_form("b=2"));
  EXPECT_EQ(fields, (Json{{"a", 1}, {"b", "2"}}));
}

TEST(Queries, MayRepeatWhatTheBodySays) {
  Json fields{{"uid", 5}, {"force", true}, {"vmid", "x"}};
  EXPECT_EQ(refusal([&] { merge_query(fields, read_form("uid=5&force=true&vmid=x")); }), "accepted");
  EXPECT_EQ(fields.at("uid"), 5);
}

TEST(Queries, AreRefusedWhereTheyContradictTheBodyWithEveryPath) {
  Json fields{{"uid", 5}, {"a/b", "x"}, {"same", "s"}};
  EXPECT_EQ(refusal([&] { merge_query(fields, read_form("uid=6&a/b=y&same=s")); }), "request.invalid /a~1b /uid");
}

TEST(Queries, NeverCarryAnAuthkeyHoweverItIsSpelled) {
  EXPECT_EQ(refusal([] { refuse_authkey_in_query(read_form("authkey=k")); }), "request.invalid /authkey");
  EXPECT_EQ(refusal([] { refuse_authkey_in_query(read_form("%61uthkey")); }), "request.invalid /authkey");
}

TEST(Authkeys, AreTakenOutOfTheBody) {
  Json fields{{"authkey", "k"}, {"a", 1}};
  EXPECT_EQ(take_authkey(fields, ""), "k");
  EXPECT_EQ(fields, (Json{{"a", 1}}));
}

TEST(Authkeys, MayStandInTheHeaderOrInBothAlike) {
  Json none = Json::object();
  EXPECT_EQ(take_authkey(none, "Bearer k"), "k");
  EXPECT_EQ(take_authkey(none, "bearer  k "), "k");
  EXPECT_EQ(take_authkey(none, "Basic a2V5"), "");
  Json both{{"authkey", "k"}};
  EXPECT_EQ(take_authkey(both, "Bearer k"), "k");
}

TEST(Authkeys, AreRefusedWhenBodyAndHeaderDiffer) {
  Json fields{{"authkey", "one"}};
  EXPECT_EQ(refusal([&] { take_authkey(fields, "Bearer two"); }), "request.invalid /authkey");
}

TEST(Authkeys, AreStrings) {
  Json fields{{"authkey", 5}};
  EXPECT_EQ(refusal([&] { take_authkey(fields, ""); }), "request.invalid /authkey");
}

}  // namespace
}  // namespace velocity::server
