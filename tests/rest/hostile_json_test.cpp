// A thousand hostile bodies through the real routes: each is refused as the client's fault, and nothing has changed.
#include <gtest/gtest.h>

#include <random>

#include "tests/rest/rest_fixture.hpp"

namespace velocity {
namespace {

using rest::Json;

enum class Kind { number, uuid, name, text, boolean, array, state };

struct Target {
  const char* method;
  const char* path;
  Json valid;  // but for what it names, which does not exist
  std::vector<std::pair<std::string, Kind>> fields;
};

constexpr const char* kUuid = "3f0c2b9e-0f4e-4d8e-9a55-0e9b6f6f2a11";

const std::vector<Target>& targets() {
  static const std::vector<Target> kTargets{
      {"POST", "/u/auth", {{"username", "x"}, {"password", "y"}}, {{"username", Kind::text}, {"password", Kind::text}}},
      {"PUT",
       "/u/user",
       {{"username", "x"}, {"password", "a long password"}, {"groups", Json::array()}},
       {{"username", Kind::name}, {"password", Kind::text}, {"groups", Kind::array}}},
      {"POST", "/u/user", {{"uid", 0}}, {{"uid", Kind::number}, {"username", Kind::name}, {"password", Kind::text}}},
      {"DELETE", "/u/user", {{"uid", 77}}, {{"uid", Kind::number}}},
      {"GET", "/u/user/groups", {{"uid", 0}}, {{"uid", Kind::number}}},
      {"PUT", "/u/group", {{"groupname", "x"}}, {{"groupname", Kind::name}}},
      {"DELETE", "/u/group", {{"gid", 77}}, {{"gid", Kind::number}}},
      {"PUT", "/u/group/assign", {{"uid", 77}, {"groups", {77}}}, {{"uid", Kind::number}, {"groups", Kind::array}}},
      {"DELETE", "/u/group/assign", {{"uid", 77}, {"groups", {77}}}, {{"uid", Kind::number}, {"groups", Kind::array}}},
      {"PUT", "/c", {{"group", 77}, {"label", "x"}}, {{"group", Kind::number}, {"label", Kind::name}}},
      {"DELETE", "/c", {{"cid", kUuid}}, {{"cid", Kind::uuid}}},
      {"GET", "/c", {{"cid", kUuid}}, {{"cid", Kind::uuid}}},
      {"GET", "/c/share", {{"cid", kUuid}}, {{"cid", Kind::uuid}}},
      {"POST",
       "/c/share",
       {{"cid", kUuid}, {"gid", 0}, {"view", true}},
       {{"cid", Kind::uuid}, {"gid", Kind::number}, {"view", Kind::boolean}}},
      {"DELETE", "/c/share", {{"cid", kUuid}, {"gid", 0}}, {{"cid", Kind::uuid}, {"gid", Kind::number}}},
      {"GET", "/r", {{"rid", kUuid}}, {{"rid", Kind::uuid}, {"group", Kind::number}, {"limit", Kind::number}}},
      {"PUT",
       "/r/disk-image",
       {{"group", 0}, {"label", "x"}, {"size_mb", 1}},
       {{"group", Kind::number}, {"label", Kind::name}, {"size_mb", Kind::number}, {"dry_run", Kind::boolean}}},
      {"DELETE", "/r", {{"rid", kUuid}}, {{"rid", Kind::uuid}}},
      {"PUT",
       "/v/efi",
       {{"name", "x"}, {"catalog", kUuid}, {"cpu_count", 1}, {"memory_size_mb", 64}},
       {{"name", Kind::name},
        {"catalog", Kind::uuid},
        {"cpu_count", Kind::number},
        {"memory_size_mb", Kind::number},
        {"displays", Kind::array},
        {"storage_devices", Kind::array},
        {"nics", Kind::array},
        {"autostart", Kind::boolean},
        {"rosetta", Kind::boolean}}},
      {"DELETE", "/v", {{"vmid", kUuid}}, {{"vmid", Kind::uuid}}},
      {"GET", "/v", {{"vmid", kUuid}}, {{"vmid", Kind::uuid}, {"catalog", Kind::uuid}, {"limit", Kind::number}, {"state", Kind::state}}},
      {"GET", "/v/state", {{"vmid", kUuid}}, {{"vmid", Kind::uuid}}},
      {"POST",
       "/v/state",
       {{"vmid", kUuid}, {"state", "RUNNING"}},
       {{"vmid", Kind::uuid}, {"state", Kind::state}, {"force", Kind::boolean}, {"wait", Kind::number}}},
      {"GET", "/v/log", {{"vmid", kUuid}}, {{"vmid", Kind::uuid}, {"tail", Kind::number}}},
  };
  return kTargets;
}

class Hostility {
 public:
  explicit Hostility(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t count) { return random_() % count; }

  // Never right for a field of this kind. Absent values and null apart, which are "not given".
  Json wrong(Kind kind) {
    switch (kind) {
      case Kind::number:
        return pick({-1, 1.5, 1e300, "1x", "", true, Json::array(), Json::object(), 18446744073709551615ULL, "4294967297000000000000",
                     -9223372036854775807LL, " 1"});
      case Kind::uuid:
        return pick({1, true, Json::array(), Json::object(), "", "..", "../../etc/passwd", std::string(36, 'g'), std::string(3000, 'a'),
                     "3f0c2b9e-0f4e-4d8e-9a55-0e9b6f6f2a1", "3f0c2b9e\x00-0f4e"});
      case Kind::name:
        return pick({1, false, Json::array(), Json::object(), "", ".", "..", "a/b", " a", "a ", std::string("a\0b", 3), "a\nb", "\x7f",
                     std::string(300, 'x'), std::string(5000, 'x')});
      case Kind::text: return pick({1, true, Json::array(), Json::object(), std::string(70'000, 'p'), 1e5});
      case Kind::boolean: return pick({1, 0, "yes", "", Json::array(), Json::object(), 1.0});
      case Kind::array:
        return pick({1, "x", true, Json::object(), Json::array({Json::array()}), Json::array({Json::object()}), Json::array({-1}),
                     Json::array({1.5}), Json::array({"no"}), Json::array({true}), deep_array(20)});
      case Kind::state: return pick({1, "", "running", "STOPPED ", "CRASHED", Json::array(), Json::object(), true});
    }
    return nullptr;
  }

  // No JSON, or more than JSON may be.
  std::string broken(const std::string& valid) {
    switch (below(12)) {
      case 0: return std::string(40 + below(100'000), '[');
      case 1: return nested(33 + below(5000));
      case 2: return valid.substr(0, 1 + below(valid.size() - 1));
      case 3: return valid.substr(0, valid.size() - 1) + ",\"a\":1,\"a\":2}";
      case 4: return valid.substr(0, valid.size() - 1) + ",\"a\":\"\xff\xfe\"}";
      case 5: return valid.substr(0, valid.size() - 1) + ",\"a\":\"\xed\xa0\x80\"}";
      case 6: return valid.substr(0, valid.size() - 1) + ",\"a\":\"\\ud800\"}";
      case 7: return valid.substr(0, valid.size() - 1) + ",\"a\":1e999}";
      case 8: return valid + valid;
      case 9: return "[" + valid + "]";
      case 10: return pick({"null", "true", "7", "\"x\"", "NaN", "{,}", "{\"a\"}", "{'a':1}", "{\"a\":01}", "/**/{}"}).get<std::string>();
      default: return scrambled(valid);
    }
  }

 private:
  Json pick(std::vector<Json> choice) { return choice[below(choice.size())]; }
  static Json deep_array(int depth) { return depth == 0 ? Json::array() : Json::array({deep_array(depth - 1)}); }
  static std::string nested(std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += "{\"a\":";
    return text + "1" + std::string(depth, '}');
  }
  std::string scrambled(std::string text) {
    text[below(text.size())] = '\x01';  // a control character is legal nowhere in JSON
    return text;
  }

  std::mt19937 random_;
};

class HostileJson : public testing::Test {
 protected:
  static void SetUpTestSuite() { rest_ = std::make_unique<test::RestHouse>(); }
  static void TearDownTestSuite() { rest_.reset(); }

  void expect_refused(const Target& target, const std::string& body) {
    const auto response = rest_->client.ask(target.method, target.path, body, test::with_authkey(rest_->authkey));
    EXPECT_GE(response.status, 400) << target.method << ' ' << target.path << ' ' << body.substr(0, 300);
    EXPECT_LT(response.status, 500) << target.method << ' ' << target.path << ' ' << body.substr(0, 300) << response.body;
    if (response.status >= 400) {
      EXPECT_TRUE(response.json().contains("code") && response.json().contains("message"));
    }
  }

  static std::unique_ptr<test::RestHouse> rest_;
};

std::unique_ptr<test::RestHouse> HostileJson::rest_;

TEST_F(HostileJson, OfAThousandBodiesEachIsTheClientsFaultAndChangesNothing) {
  Hostility hostility(20'251);
  const auto contents = [] {
    const auto picture = rest_->house.inventory.picture();
    return std::tuple(picture->users.size(), picture->groups.size(), picture->catalogs.size(), picture->machines.size(),
                      picture->resources.size());
  };
  const auto before = contents();
  for (int i = 0; i < 1000; ++i) {
    const auto& target = targets()[hostility.below(targets().size())];
    if (hostility.below(2) == 0) {
      expect_refused(target, hostility.broken(target.valid.dump()));
      continue;
    }
    const auto& [field, kind] = target.fields[hostility.below(target.fields.size())];
    Json body = target.valid;
    body[field] = hostility.wrong(kind);
    expect_refused(target, body.dump());
  }
  EXPECT_EQ(contents(), before);
}

TEST_F(HostileJson, EveryFieldOfEveryRouteIsRefusedByItsPath) {
  Hostility hostility(7);
  for (const auto& target : targets())
    for (const auto& [field, kind] : target.fields) {
      Json body = target.valid;
      body[field] = Json::object({{"not", "this"}});
      const auto response = rest_->client.ask(target.method, target.path, body.dump(), test::with_authkey(rest_->authkey));
      ASSERT_EQ(response.status, 400) << target.method << ' ' << target.path << ' ' << field << response.body;
      const auto document = response.json();
      const auto& problems = document.at("problems");
      EXPECT_TRUE(std::any_of(problems.begin(), problems.end(),
                              [&, &name = field](const Json& problem) { return problem.at("path") == "/" + name; }))
          << target.method << ' ' << target.path << ' ' << field << response.body;
    }
}

TEST_F(HostileJson, WhatIsMissingIsNamedAllAtOnce) {
  const auto response = rest_->client.ask("PUT", "/v/efi", "{}", test::with_authkey(rest_->authkey));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.json().at("problems").size(), 4U) << response.body;
}

}  // namespace
}  // namespace velocity
