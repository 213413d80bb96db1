#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::ElementsAre;

// Calls into a plugin that goes wrong as it is told.
class BoundaryTest : public PluginTest {
 protected:
  BoundaryTest() : registry_(load({bad("misbehaves")})), type_(registry_.find_vm_type("misbehaving")) {}
  void SetUp() override { ASSERT_TRUE(type_) << report(registry_, "misbehaves.so").cause; }

  std::vector<std::string> told(const std::string& way) {
    return problems([&] { type_->validate({{"way", way}}); });
  }

  Registry registry_;
  const VmType* type_;
};

TEST_F(BoundaryTest, AGoodReplyComesBack) { EXPECT_EQ(type_->validate(Json::object()), Json({{"judged", true}})); }

TEST_F(BoundaryTest, WhateverAPluginAnswersBecomesOneKindOfFailure) {
  for (const auto* way : {"throws", "throws an int", "endless", "deep", "no JSON", "no object", "no spec", "duplicate key", "not UTF-8", "null text",
                          "says nothing", "unknown status", "problems without a list", "service without JSON"})
    EXPECT_THAT(told(way), ElementsAre("plugin.failed")) << way;
}

TEST_F(BoundaryTest, AFailureNamesThePluginToAllAndTheCauseToTheLog) {
  try {
    type_->validate({{"way", "no JSON"}});
    FAIL();
  } catch (const model::Error& error) {
    EXPECT_EQ(error.message(), "The plugin misbehaves failed in validate");
    EXPECT_THAT(error.detail(), testing::HasSubstr("malformed"));
  }
}

TEST_F(BoundaryTest, AllSoundProblemsOfAPluginArePassedOn) { EXPECT_THAT(told("problems"), ElementsAre("/a: is wrong", "/b: is wrong too")); }

TEST_F(BoundaryTest, WhatThePluginLogsReachesTheServer) {
  EXPECT_THAT(told("log"), ElementsAre());
  EXPECT_THAT(services_.logged, ElementsAre("logged"));
}

TEST_F(BoundaryTest, AFailedServiceKeepsItsCodeOnTheWayThroughThePlugin) {
  EXPECT_THAT(told("service"), ElementsAre());
  services_.full = true;
  EXPECT_THAT(told("service"), ElementsAre("storage.full"));
}

TEST_F(BoundaryTest, FragmentsAreCheckedBeforeTheyAreHandedOn) {
  const auto plan = [&](const Json& reply) { return problems([&] { type_->plan({{"reply", reply}}); }); };
  EXPECT_THAT(plan({{"fragments", {{{"section", "os"}, {"xml", "<os/>"}}}}}), ElementsAre());
  EXPECT_THAT(plan(Json::object()), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan({{"fragments", 7}}), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan({{"fragments", {7}}}), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan({{"fragments", {{{"section", "seclabel"}, {"xml", "<seclabel/>"}}}}}), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan({{"fragments", {{{"section", "os"}}}}}), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan({{"fragments", {{{"section", "os"}, {"xml", std::string(70000, ' ')}}}}}), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan({{"fragments", std::vector<Json>(65, {{"section", "os"}, {"xml", "<os/>"}})}}), ElementsAre("plugin.failed"));
}

TEST_F(BoundaryTest, FilesAreCheckedBeforeTheyAreMade) {
  const auto plan = [&](const Json& files) {
    return problems([&] { type_->plan({{"reply", {{"fragments", {{{"section", "os"}, {"xml", "<os/>"}}}}, {"files", files}}}}); });
  };
  const Json good{{"name", "seed.iso"}, {"kind", "iso9660"}, {"content", {{"label", "cidata"}, {"entries", {{"user-data", "x"}}}}}};
  const auto with = [&](const char* pointer, const Json& value) {
    Json changed = good;
    changed[Json::json_pointer(pointer)] = value;
    return Json::array({changed});
  };
  EXPECT_THAT(plan(Json::array({good})), ElementsAre());
  EXPECT_THAT(plan(with("/content/entries", Json::object())), ElementsAre());
  for (const auto& name : {"../seed.iso", "/etc/passwd", "", ".", "..", ".hidden", "-h", "SEED", "a b", "a/b"})
    EXPECT_THAT(plan(with("/name", name)), ElementsAre("plugin.failed")) << name;
  EXPECT_THAT(plan(with("/content/entries", {{"../x", "y"}})), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan(with("/content/entries", {{"x", 7}})), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan(with("/content/label", "a\nb")), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan(with("/kind", "elf")), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan(with("/content", 7)), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan(Json::array({good, good})), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan(7), ElementsAre("plugin.failed"));
  EXPECT_THAT(plan(Json::array({7})), ElementsAre("plugin.failed"));
  for (const auto& key : {std::string(63, 'a'), std::string(64, '"'), std::string(64, '\n')})
    EXPECT_THAT(plan(Json::array({{{"name", "smc.cfg"}, {"kind", "apple-smc"}, {"content", {{"key", key}}}}})), ElementsAre("plugin.failed"));
}

}  // namespace
}  // namespace velocity::plugin
