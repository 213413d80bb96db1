// The command line and the configuration file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "server/daemon/config.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::daemon {
namespace {

using testing::HasSubstr;

class Configuration : public testing::Test {
 protected:
  std::optional<Settings> read(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "velocityd");
    return read_configuration(static_cast<int>(arguments.size()), arguments.data(), "0.1.0", text_);
  }
  std::string file(const std::string& text) {
    const auto path = directory_ / "velocity.toml";
    std::ofstream(path) << text;
    return path.string();
  }
  std::string refusal(const std::string& text) {
    try {
      Settings settings;
      load_file(settings, file(text));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  }

  test::TemporaryDirectory directory_;
  std::string text_;
};

TEST_F(Configuration, TheCommandLineWinsOverTheFileAndTheFileOverTheDefault) {
  const auto path = file("[http]\nlisten = \"[::1]:1\"\nworkers = 33\n");
  const auto settings = read({"--config", path.c_str(), "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->listen, "127.0.0.1:0");
  EXPECT_EQ(settings->workers, 33);
  EXPECT_EQ(settings->queue, 1024);
}

TEST_F(Configuration, WhatIsPrintedReadsBackToTheSame) {
  Settings settings;
  settings.state = "/a \"quoted\"\\ place";
  settings.hosts = {"one", "two"};
  settings.trusted_proxy = true;
  settings.plugin_configuration = model::Json::parse(R"({"mac": {"key": "x", "list": [1, {"a": 2.5}], "on": true}})");
  const auto printed = print_configuration(settings);
  Settings again;
  load_file(again, file(printed));
  EXPECT_EQ(print_configuration(again), printed);
  EXPECT_EQ(again.state, settings.state);
  EXPECT_EQ(again.plugin_configuration, settings.plugin_configuration);
}

TEST_F(Configuration, AnUnknownSettingIsRefusedWithTheNearestOne) {
  EXPECT_THAT(refusal("[http]\nlisen = \"x\"\n"), HasSubstr("did you mean http.listen"));
  EXPECT_THAT(refusal("[htp]\nlisten = \"x\"\n"), HasSubstr("did you mean http.listen"));
}

TEST_F(Configuration, AValueThatIsNotOfItsKindOrOutOfBoundsIsRefusedByName) {
  EXPECT_THAT(refusal("[http]\nworkers = 0\n"), HasSubstr("http.workers"));
  EXPECT_THAT(refusal("[http]\nworkers = \"many\"\n"), HasSubstr("http.workers"));
  EXPECT_THAT(refusal("[http]\nhosts = [1]\n"), HasSubstr("http.hosts"));
  EXPECT_THAT(refusal("[http]\ntrusted_proxy = 1\n"), HasSubstr("http.trusted_proxy"));
  EXPECT_THAT(refusal("[hypervisor]\nacceleration = \"fast\"\n"), HasSubstr("auto, kvm, tcg"));
  EXPECT_THAT(refusal("[plugins]\nconfiguration = 5\n"), HasSubstr("plugins.configuration"));
  EXPECT_THAT(refusal("[http\n"), HasSubstr("velocity.toml:1"));
}

TEST_F(Configuration, AWrongOptionIsRefused) {
  EXPECT_THROW(read({"--listn", "x"}), ConfigError);
  EXPECT_THROW(read({"--accel", "warp"}), ConfigError);
  EXPECT_THROW(read({"--listen"}), ConfigError);
  EXPECT_THROW(read({"--config", "/nowhere/at/all"}), ConfigError);
}

TEST_F(Configuration, ACertificateWithoutItsKeyIsRefused) {
  const auto path = file("[http]\ntls_certificate = \"/a\"\n");
  EXPECT_THROW(read({"--config", path.c_str()}), ConfigError);
}

TEST_F(Configuration, HelpNamesEveryOptionAndPrintConfigEverySetting) {
  EXPECT_FALSE(read({"--help"}));
  for (const auto& setting : all_settings()) EXPECT_THAT(text_, HasSubstr(setting.option ? setting.option : "velocityd"));
  EXPECT_FALSE(read({"--print-config"}));
  for (const auto& setting : all_settings()) EXPECT_THAT(text_, HasSubstr(std::string("\n") + (std::strchr(setting.key, '.') + 1) + " = "));
  EXPECT_FALSE(read({"--version"}));
  EXPECT_EQ(text_, "velocityd 0.1.0\n");
}

}  // namespace
}  // namespace velocity::daemon
