// velocity-plugin: looks at plugin files. `inspect` says what is known without loading, `probe` loads one here and says what came
// of it; the server runs `probe` as a child process before it loads an unknown plugin itself.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "framework/model/error.hpp"
#include "framework/plugin/candidate.hpp"
#include "framework/plugin/loader.hpp"

namespace {

using velocity::model::Json;
namespace plugin = velocity::plugin;

// A plugin that is only tried gets nothing from its host.
class NoServices final : public plugin::HostServices {
 public:
  void log(std::string_view name, int, std::string_view message) override {
    std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(name.size()), name.data(), static_cast<int>(message.size()), message.data());
  }
  Json call(std::string_view, std::string_view service, const Json&) override {
    throw velocity::model::Error(velocity::model::ErrorCode::plugin_failed, "There is no service " + std::string(service) + " while a plugin is tried");
  }
};

Json json_of(const plugin::Candidate& candidate) {
  const auto& manifest = candidate.manifest;
  return {{"file", candidate.file.string()}, {"name", manifest.name}, {"version", manifest.version}, {"licence", manifest.licence},
          {"abi", {{"major", manifest.abi_major}, {"minor", manifest.abi_minor}}}, {"provides", manifest.provides}};
}

void add_refusal(Json& json, const plugin::Refusal& refusal) {
  json["result"] = "refused";
  json["code"] = refusal.code;
  json["cause"] = refusal.cause;
  json["fix"] = refusal.fix;
}

int print(int fd, const Json& json) {
  const auto text = velocity::model::dump_json(json) + '\n';
  std::size_t done = 0;
  while (done < text.size()) {
    const auto written = write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return 2;
    done += static_cast<std::size_t>(written);
  }
  return json["result"] == "refused" ? 1 : 0;
}

int inspect(const std::string& file) {
  const auto candidate = plugin::examine(file);
  auto json = json_of(candidate);
  json["result"] = "sound";
  if (candidate.refusal) add_refusal(json, *candidate.refusal);
  return print(STDOUT_FILENO, json);
}

void limit_file_size(rlim_t size) {
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = size;
  setrlimit(RLIMIT_FSIZE, &limit);
}

// Bounds for code that nobody knows yet, set before it runs: against accidents, not against malice.
void confine() {
  const rlimit none{0, 0}, seconds{10, 10};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_CPU, &seconds);
  limit_file_size(0);
#ifndef __SANITIZE_ADDRESS__
  const rlimit memory{rlim_t{4} << 30, rlim_t{4} << 30};
  setrlimit(RLIMIT_AS, &memory);
#endif
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int probe(const std::string& file) {
  const int answer = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);  // what the plugin prints must not be taken for the verdict
  if (answer < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 2;
  confine();
  const auto candidate = plugin::examine(file);
  auto json = json_of(candidate);
  json["result"] = "loads";
  NoServices services;
  plugin::Brought brought;
  auto refusal = candidate.refusal;
  if (!refusal) refusal = plugin::bring_in(candidate, Json::object(), services, brought);
  // The administrator's settings are not known here: that it wants some is no fault of the plugin.
  if (refusal && refusal->code != "plugin.settings_invalid") add_refusal(json, *refusal);
  auto& types = json["types"] = Json::array();
  for (const auto& type : brought.vm_types) types.push_back({{"kind", "vm"}, {"type", type->info().type}, {"title", type->info().title}});
  for (const auto& type : brought.resource_types) types.push_back({{"kind", "resource"}, {"type", type->info().type}, {"title", type->info().title}});
  limit_file_size(RLIM_INFINITY);
  _exit(print(answer, json));  // without the plugin's destructors: the server never runs them either
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks at plugins of Velocity");
  app.require_subcommand(1);
  std::string file;
  auto* inspecting = app.add_subcommand("inspect", "say what a plugin file is, without loading it");
  inspecting->add_option("FILE", file, "the plugin")->required();
  auto* probing = app.add_subcommand("probe", "load a plugin here and say what it brings");
  probing->add_option("FILE", file, "the plugin")->required();
  CLI11_PARSE(app, argc, argv);
  return inspecting->parsed() ? inspect(file) : probe(file);
}
