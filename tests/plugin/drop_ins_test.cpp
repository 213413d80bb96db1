#include "framework/plugin/drop_ins.hpp"

#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DropInsTest : public PluginTest {
 protected:
  DropInsTest() {
    fs::create_directory(directory_ / "package");
    fs::create_directory(directory_ / "administrator");
  }
  RegistrySettings read() const {
    RegistrySettings read;
    read.configuration = configuration_;
    read_drop_ins({directory_ / "package", directory_ / "administrator", directory_ / "absent"}, read);
    return read;
  }
  Json configuration_ = Json::object();
};

TEST_F(DropInsTest, WithoutFilesNothingIsSaid) {
  EXPECT_TRUE(read().disabled.empty());
  EXPECT_EQ(read().configuration, Json::object());
  EXPECT_TRUE(read().broken_drop_ins.empty());
}

TEST_F(DropInsTest, TheAdministratorsWordCountsOverThePackages) {
  write("package/a.toml", "enabled = false\n[settings]\none = 1\ntwo = 2\n");
  write("package/b.toml", "enabled = false\n");
  write("administrator/a.toml", "enabled = true\n[settings]\ntwo = 22\nthree = 3\n");
  EXPECT_THAT(read().disabled, ElementsAre("b"));
  EXPECT_EQ(read().configuration, Json({{"a", {{"one", 1}, {"two", 22}, {"three", 3}}}}));
}

TEST_F(DropInsTest, TheConfigurationFileCountsOverBoth) {
  write("package/a.toml", "[settings]\none = 1\ntwo = 2\n");
  configuration_ = {{"a", {{"two", 7}}}, {"c", {{"x", true}}}};
  EXPECT_EQ(read().configuration, Json({{"a", {{"one", 1}, {"two", 7}}}, {"c", {{"x", true}}}}));
}

TEST_F(DropInsTest, AFileThatIsNotUnderstoodIsRememberedWithItsCause) {
  write("package/a.toml", "enabled = 7\n");
  write("package/b.toml", "[settings\n");
  write("package/c.toml", "enable = true\n");
  fs::create_directory(directory_ / "package" / "d.toml");
  const auto broken = read().broken_drop_ins;
  EXPECT_EQ(broken.size(), 4U);
  EXPECT_THAT(broken.at("a"), HasSubstr("enabled"));
  EXPECT_THAT(broken.at("b"), HasSubstr("line "));
  EXPECT_THAT(broken.at("c"), HasSubstr("\"enable\""));
  EXPECT_THAT(broken.at("d"), HasSubstr("regular file"));
}

TEST_F(DropInsTest, AFileThatOthersMayWriteIsNotBelieved) {
  fs::permissions(write("administrator/a.toml", "enabled = true\n"), fs::perms::others_write, fs::perm_options::add);
  EXPECT_TRUE(read().broken_drop_ins.contains("a"));
}

TEST_F(DropInsTest, OtherFilesAreNotRead) {
  write("package/a.toml.dpkg-old", "enabled = false\n");
  write("package/Not A Name.toml", "enabled = false\n");
  EXPECT_TRUE(read().disabled.empty());
}

TEST_F(DropInsTest, ABrokenFileRefusesItsPluginAndNoOther) {
  for (const auto* name : {"efi", "kboot"}) copy(good(name));
  auto with = settings();
  with.broken_drop_ins["efi"] = "plugins.d/efi.toml: line 1: no";
  const Registry registry(with, services_);
  EXPECT_EQ(report(registry, "efi.so").code, "plugin.settings_invalid");
  EXPECT_EQ(report(registry, "kboot.so").status, "loaded");
}

TEST_F(DropInsTest, SettingsAreHeldToTheSchemaInTheManifest) {
  copy(good("efi"));
  auto wrong = settings();
  wrong.configuration = {{"efi", {{"firmware_code", 7}, {"colour", "blue"}}}};
  const Registry registry(wrong, services_);
  EXPECT_EQ(report(registry, "efi.so").code, "plugin.settings_invalid");
  EXPECT_THAT(report(registry, "efi.so").cause, testing::AllOf(HasSubstr("/firmware_code must be a text"), HasSubstr("/colour is not a field")));
}

}  // namespace
}  // namespace velocity::plugin
