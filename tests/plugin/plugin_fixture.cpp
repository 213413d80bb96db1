#include "tests/plugin/plugin_fixture.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace velocity::plugin {

void NotingServices::log(std::string_view, int, std::string_view message) { logged.emplace_back(message); }

Json NotingServices::call(std::string_view, std::string_view service, const Json& request) {
  asked.emplace_back(service, request);
  if (full) throw model::Error(model::ErrorCode::storage_full, "There is no room left");
  const auto answer = answers.find(std::string(service));
  return answer == answers.end() ? Json::object() : answer->second;
}

PluginTest::PluginTest() : directory_(fs::canonical(temporary_.path())) {
  umask(022);
  fs::permissions(directory_, fs::perms(0755));
  // A sanitizer would turn the death of a child into an exit.
  setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:allocator_may_return_null=1", 1);
}

fs::path PluginTest::copy(const fs::path& plugin, const std::string& name) {
  const auto to = directory_ / (name.empty() ? plugin.filename().string() : name);
  fs::copy_file(plugin, to);
  return to;
}

fs::path PluginTest::write(const std::string& name, const std::string& content) {
  const auto to = directory_ / name;
  std::ofstream(to, std::ios::binary) << content;
  return to;
}

std::string PluginTest::read(const fs::path& file) {
  std::ostringstream content;
  content << std::ifstream(file, std::ios::binary).rdbuf();
  return content.str();
}

fs::path PluginTest::patched(const fs::path& plugin, const std::string& from, const std::string& to) {
  auto content = read(plugin);
  const auto at = content.find(from);
  if (at == std::string::npos || from.size() != to.size()) throw std::logic_error("the plugin does not have the text to be replaced");
  content.replace(at, from.size(), to);
  return write(plugin.filename(), content);
}

RegistrySettings PluginTest::settings() const {
  RegistrySettings settings;
  settings.directories = {directory_};
  settings.probe_program = VELOCITY_PROBE;
  settings.probe_deadline = std::chrono::seconds(60);
  return settings;
}

Registry PluginTest::load(const std::vector<fs::path>& plugins) {
  for (const auto& plugin : plugins) copy(plugin);
  return Registry(settings(), services_);
}

const PluginReport& PluginTest::report(const Registry& registry, const std::string& file) {
  for (const auto& report : registry.plugins())
    if (report.file.filename() == file) return report;
  throw std::logic_error("no report of " + file);
}

std::string code(const Candidate& candidate) { return candidate.refusal ? candidate.refusal->code : ""; }

}  // namespace velocity::plugin
