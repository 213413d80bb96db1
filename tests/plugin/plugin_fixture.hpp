// What the tests of the plugin boundary share: a directory of their own, copies of real plugins, and services that note what is asked.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "framework/model/error.hpp"
#include "framework/plugin/candidate.hpp"
#include "framework/plugin/registry.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::plugin {

namespace fs = std::filesystem;

// Notes what plugins ask for; answers {} unless told to throw.
class NotingServices final : public HostServices {
 public:
  void log(std::string_view plugin, int level, std::string_view message) override;
  Json call(std::string_view plugin, std::string_view service, const Json& request) override;

  std::vector<std::string> logged;
  std::vector<std::pair<std::string, Json>> asked;
  std::map<std::string, Json> answers;  // by service
  bool full = false;  // every call throws storage_full
};

class PluginTest : public testing::Test {
 protected:
  PluginTest();

  static fs::path good(const std::string& name) { return fs::path(VELOCITY_PLUGINS) / (name + ".so"); }
  static fs::path bad(const std::string& name) { return fs::path(VELOCITY_BAD_PLUGINS) / (name + ".so"); }
  fs::path copy(const fs::path& plugin, const std::string& name = {});  // into the directory
  fs::path write(const std::string& name, const std::string& content);
  static std::string read(const fs::path& file);
  // A copy in which `from` stands as `to`, of the same length.
  fs::path patched(const fs::path& plugin, const std::string& from, const std::string& to);

  RegistrySettings settings() const;  // of the directory, with the real probe
  Registry load(const std::vector<fs::path>& plugins);  // copies them and loads the directory
  static const PluginReport& report(const Registry& registry, const std::string& file);

  test::TemporaryDirectory temporary_;
  fs::path directory_;  // its canonical path
  NotingServices services_;
};

// The code of the refusal, or "" when there is none.
std::string code(const Candidate& candidate);

// The problems that a call throws, as "path: message"; a failure of another kind as its code.
template <class Call>
std::vector<std::string> problems(Call&& call) {
  try {
    call();
    return {};
  } catch (const model::Error& error) {
    std::vector<std::string> lines;
    for (const auto& [path, message] : error.problems()) lines.push_back(path + ": " + message);
    if (lines.empty()) lines.emplace_back(model::name(error.code()));
    return lines;
  }
}

}  // namespace velocity::plugin
