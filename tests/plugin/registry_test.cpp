#include <sys/stat.h>

#include <chrono>
#include <fstream>

#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

using RegistryTest = PluginTest;
using testing::HasSubstr;

TEST_F(RegistryTest, TheServersOwnPluginsLoad) {
  const auto registry = load({good("efi"), good("disk-image")});
  for (const auto& report : registry.plugins()) EXPECT_EQ(report.status, "loaded") << report.code << " " << report.cause;
  ASSERT_TRUE(registry.find_vm_type("efi"));
  ASSERT_TRUE(registry.find_resource_type("disk-image"));
  EXPECT_EQ(registry.find_vm_type("efi")->info().plugin, "efi");
  EXPECT_EQ(registry.find_resource_type("disk-image")->kind(), model::ResourceKind::storage);
  EXPECT_FALSE(registry.find_vm_type("disk-image"));
  EXPECT_FALSE(registry.find_vm_type("kboot"));
  EXPECT_EQ(registry.vm_types().size(), 1U);
}

TEST_F(RegistryTest, OneBadPluginStopsNoOther) {
  write("aaa.so", "not a plugin");
  const auto registry = load({bad("throws-in-entry"), bad("crashes-at-load"), good("efi"), bad("exits"), bad("fails"), bad("no-entry"), bad("misbehaves")});
  EXPECT_TRUE(registry.find_vm_type("efi"));
  EXPECT_TRUE(registry.find_vm_type("misbehaving"));
  EXPECT_EQ(registry.plugins().size(), 8U);
  for (const auto& report : registry.plugins()) {
    if (report.status == "loaded") continue;
    EXPECT_EQ(report.status, "refused");
    EXPECT_THAT(report.code, testing::StartsWith("plugin."));
    EXPECT_FALSE(report.cause.empty());
    EXPECT_FALSE(report.fix.empty());
    EXPECT_EQ((report.cause + report.fix).find('\n'), std::string::npos) << "a refusal is one line";
  }
}

TEST_F(RegistryTest, EachWayToFailHasItsOwnCode) {
  const auto registry = load({bad("throws-in-entry"), bad("throws-at-load"), bad("crashes-at-load"), bad("exits"), bad("fails"), bad("no-entry"),
                              bad("promises-another"), bad("reserved-type"), bad("odd-type-name"), bad("unknown-keyword"), bad("remote-reference")});
  EXPECT_EQ(report(registry, "throws-in-entry.so").code, "plugin.threw");
  EXPECT_EQ(report(registry, "throws-at-load.so").code, "plugin.probe_crashed");
  EXPECT_EQ(report(registry, "crashes-at-load.so").code, "plugin.probe_crashed");
  EXPECT_EQ(report(registry, "exits.so").code, "plugin.probe_exited");
  EXPECT_EQ(report(registry, "fails.so").code, "plugin.entry_failed");
  EXPECT_THAT(report(registry, "fails.so").cause, HasSubstr("the moon is not full"));
  EXPECT_EQ(report(registry, "no-entry.so").code, "plugin.no_entry");
  EXPECT_EQ(report(registry, "promises-another.so").code, "plugin.manifest_mismatch");
  EXPECT_EQ(report(registry, "reserved-type.so").code, "plugin.type_reserved");
  EXPECT_EQ(report(registry, "odd-type-name.so").code, "plugin.description_invalid");
  EXPECT_THAT(report(registry, "unknown-keyword.so").cause, HasSubstr("minimun"));
  EXPECT_THAT(report(registry, "remote-reference.so").cause, HasSubstr("$ref"));
  EXPECT_EQ(report(registry, "promises-another.so").provides, std::vector<std::string>{"resource/another"});
}

TEST_F(RegistryTest, APluginThatHangsIsGivenUpAtItsDeadline) {
  copy(bad("hangs"));
  auto impatient = settings();
  impatient.probe_deadline = std::chrono::milliseconds(300);
  const auto started = std::chrono::steady_clock::now();
  const Registry registry(impatient, services_);
  EXPECT_EQ(report(registry, "hangs.so").code, "plugin.probe_hung");
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(30));
}

TEST_F(RegistryTest, WithoutAProbeThatRunsNothingUnknownIsLoaded) {
  copy(bad("crashes-at-load"));
  auto broken = settings();
  broken.probe_program = directory_ / "absent";
  EXPECT_EQ(report(Registry(broken, services_), "crashes-at-load.so").code, "plugin.probe_impossible");
}

TEST_F(RegistryTest, OfTwoPluginsWithOneTypeTheFirstByNameWins) {
  copy(bad("minimal-again"), "0-first-by-file.so");
  const auto registry = load({bad("minimal")});
  EXPECT_EQ(registry.find_resource_type("minimal")->info().plugin, "minimal");
  EXPECT_EQ(report(registry, "0-first-by-file.so").code, "plugin.duplicate_type");
  EXPECT_THAT(report(registry, "0-first-by-file.so").cause, HasSubstr("the plugin minimal"));
}

TEST_F(RegistryTest, OnePluginUnderTwoFileNamesIsLoadedOnce) {
  copy(bad("minimal"), "copy.so");
  const auto registry = load({bad("minimal")});
  EXPECT_EQ(report(registry, "minimal.so").code, "plugin.duplicate_name");
  EXPECT_EQ(report(registry, "copy.so").status, "loaded");
}

TEST_F(RegistryTest, WhenTheFirstOfTwoCannotBeLoadedTheOtherIs) {
  chmod(copy(bad("minimal")).c_str(), 0666);
  const auto registry = load({bad("minimal-again")});
  EXPECT_EQ(registry.find_resource_type("minimal")->info().plugin, "minimal-again");
}

TEST_F(RegistryTest, ADisabledPluginIsListedAndNotRun) {
  copy(bad("crashes-at-load"));
  auto careful = settings();
  careful.disabled = {"crashes-at-load"};
  careful.probe_program.clear();
  const Registry registry(careful, services_);
  EXPECT_EQ(report(registry, "crashes-at-load.so").status, "disabled");
  EXPECT_EQ(report(registry, "crashes-at-load.so").provides, std::vector<std::string>{"vm/crashes"});
}

TEST_F(RegistryTest, TheFirstDirectoryWithAFileNameWins) {
  const auto local = directory_ / "local";
  fs::create_directory(local);
  fs::copy_file(bad("minimal-again"), local / "minimal.so");
  copy(bad("minimal"));
  auto both = settings();
  both.directories = {directory_ / "absent", local, directory_};
  const Registry registry(both, services_);
  EXPECT_EQ(registry.plugins().size(), 1U);
  EXPECT_EQ(registry.find_resource_type("minimal")->info().plugin, "minimal-again");
}

TEST_F(RegistryTest, AnEmptyOrAbsentDirectoryBringsNothing) {
  auto nowhere = settings();
  nowhere.directories = {directory_ / "absent"};
  EXPECT_TRUE(Registry(nowhere, services_).plugins().empty());
}

// The probe, with a line in a file for each time that it is run.
TEST_F(RegistryTest, AGoodVerdictIsRememberedByContentAndABadOneIsNot) {
  const auto counter = write("probe", "#!/bin/sh\necho run >> " + (directory_ / "runs").string() + "\nexec " VELOCITY_PROBE " \"$@\"\n");
  chmod(counter.c_str(), 0755);
  copy(bad("minimal"));
  copy(bad("fails"));
  auto caching = settings();
  caching.probe_program = counter;
  caching.cache = directory_ / "cache";
  const auto runs = [&] {
    const Registry registry(caching, services_);
    EXPECT_TRUE(registry.find_resource_type("minimal"));
    const auto text = read(directory_ / "runs");
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(runs(), 2);
  EXPECT_EQ(runs(), 3) << "the good one need not be tried again";
  std::ofstream(directory_ / "minimal.so", std::ios::app) << "another content";
  EXPECT_EQ(runs(), 5);
}

TEST_F(RegistryTest, SettingsReachThePluginAndWrongOnesRefuseIt) {
  copy(good("efi"));
  auto configured = settings();
  configured.configuration = {{"efi", {{"firmware_code", "/nonexistent/code.fd"}}}, {"absent", {{"a", 1}}}};
  {
    const Registry registry(configured, services_);
    ASSERT_TRUE(registry.find_vm_type("efi"));
    const auto verdict = registry.find_vm_type("efi")->host_check({{"arch", "x86_64"}, {"acceleration", "tcg"}, {"domain_type", "qemu"}});
    EXPECT_FALSE(verdict.available);
    EXPECT_THAT(verdict.why_not, HasSubstr("/nonexistent/code.fd"));
  }
  configured.configuration = {{"efi", {{"firmware_code", "relative"}, {"colour", "blue"}}}};
  const Registry registry(configured, services_);
  EXPECT_EQ(report(registry, "efi.so").code, "plugin.settings_invalid");
}

TEST_F(RegistryTest, WhatAPluginDoesNotOfferHasItsDefault) {
  const auto registry = load({bad("minimal")});
  const auto* type = registry.find_resource_type("minimal");
  ASSERT_TRUE(type);
  EXPECT_TRUE(type->host_check({{"arch", "x86_64"}}).available);
  EXPECT_EQ(type->validate({{"a", 1}}), Json({{"a", 1}}));
  EXPECT_TRUE(type->cost(Json::object()).empty());
  EXPECT_NO_THROW(type->create({{"rid", "x"}, {"spec", Json::object()}}));
  EXPECT_NO_THROW(type->remove({{"rid", "x"}, {"spec", Json::object()}}));
  EXPECT_TRUE(type->attach(Json::object()).empty());
  EXPECT_EQ(type->kind(), model::ResourceKind::nic);
}

TEST_F(RegistryTest, AnAlterationThatATypeDoesNotOfferIsNotTakenForDone) {
  const auto registry = load({bad("minimal")});
  const auto* type = registry.find_resource_type("minimal");
  ASSERT_TRUE(type);
  EXPECT_THAT(problems([&] { type->alter({{"rid", "7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f"}, {"old", {{"a", 1}, {"b", 2}}}, {"new", {{"a", 1}, {"b", 3}, {"c", 4}}}}); }),
              testing::UnorderedElementsAre("/b: cannot be altered in resources of the type minimal", "/c: cannot be altered in resources of the type minimal"));
}

}  // namespace
}  // namespace velocity::plugin
