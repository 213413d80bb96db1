#include "sdk/tool/looking.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>

#include "framework/model/error.hpp"
#include "framework/plugin/candidate.hpp"
#include "framework/plugin/loader.hpp"
#include "server/daemon/config.hpp"
#include "server/daemon/plugin_settings.hpp"

namespace velocity::tool {
namespace {

namespace fs = std::filesystem;
using model::Json;

// A plugin that is only tried gets nothing from its host.
class NoServices final : public plugin::HostServices {
 public:
  void log(std::string_view name, int, std::string_view message) override {
    std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(name.size()), name.data(), static_cast<int>(message.size()), message.data());
  }
  Json call(std::string_view, std::string_view service, const Json&) override {
    throw model::Error(model::ErrorCode::plugin_failed, "There is no service " + std::string(service) + " while a plugin is tried");
  }
};

Json json_of(const plugin::Candidate& candidate) {
  const auto& manifest = candidate.manifest;
  return {{"file", candidate.file.string()}, {"name", manifest.name}, {"version", manifest.version}, {"licence", manifest.licence},
          {"abi", {{"major", manifest.abi_major}, {"minor", manifest.abi_minor}}}, {"provides", manifest.provides}, {"settings", manifest.settings}};
}

void add_refusal(Json& json, const plugin::Refusal& refusal) {
  json["result"] = "refused";
  json["code"] = refusal.code;
  json["cause"] = refusal.cause;
  json["fix"] = refusal.fix;
}

std::string text_of(const Json& json) {
  const auto said = [&json](const char* field) { return json.at(field).get<std::string>(); };
  std::string provided;
  for (const auto& type : json.at("provides")) provided += (provided.empty() ? "" : ", ") + type.get<std::string>();
  std::string text;
  if (!said("name").empty()) text += "plugin:   " + said("name") + " " + said("version") + ", licence " + said("licence") + "\nprovides: " + provided + "\n";
  if (const auto& abi = json.at("abi"); abi.at("major") != 0) text += "needs:    plugin ABI " + abi.at("major").dump() + "." + abi.at("minor").dump() + "\n";
  if (json.contains("settings") && !json.at("settings").is_null()) text += "settings: " + json.at("settings").dump(2) + "\n";
  for (const auto& type : json.value("types", Json::array()))
    text += "brings:   " + type.at("kind").get<std::string>() + "/" + type.at("type").get<std::string>() + ": " + type.at("title").get<std::string>() + "\n";
  if (said("result") == "refused") return text + "refused: " + said("file") + ": " + said("code") + ": " + said("cause") + ". " + said("fix") + "\n";
  return text + said("result") + "\n";
}

int print(int fd, const std::string& text, bool good) {
  for (std::size_t done = 0; done < text.size();) {
    const auto written = write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return 2;
    done += static_cast<std::size_t>(written);
  }
  return good ? 0 : 1;
}

int print(int fd, const Json& json, bool as_json) {
  return print(fd, as_json ? model::dump_json(json) + '\n' : text_of(json), json.at("result") != "refused");
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

Json types_of(const plugin::Brought& brought) {
  auto types = Json::array();
  for (const auto& type : brought.vm_types) types.push_back({{"kind", "vm"}, {"type", type->info().type}, {"title", type->info().title}});
  for (const auto& type : brought.resource_types) types.push_back({{"kind", "resource"}, {"type", type->info().type}, {"title", type->info().title}});
  return types;
}

std::ptrdiff_t thread_count() {
  std::error_code absent;
  return std::distance(fs::directory_iterator("/proc/self/task", absent), fs::directory_iterator());
}

// Calls the pure operations with the types' own examples. What they answer is for the conformance suite to judge; here they may kill the process.
void exercise(const plugin::Brought& brought) {
  const Json host{{"arch", "x86_64"}, {"acceleration", "tcg"}, {"domain_type", "qemu"}, {"privileged", true}};
  const auto try_with = [&host](const plugin::Type& type, const Json& example, const auto& plan) {
    for (const auto& [field, kind] : type.info().resources)
      if (example.contains(field)) return;  // there is none here
    try {
      plan({{"vm", {{"vmid", "7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f"}, {"name", "example"}, {"cpu_count", 1}, {"memory_size_mb", 128}, {"displays", Json::array()},
                    {"directory", "/nonexistent"}}},
            {"rid", "2de02519-c347-432c-9923-3753c3538e02"}, {"spec", type.validate(example)}, {"resources", Json::object()}, {"host", host},
            {"path", "/nonexistent/disk"}, {"directory", "/nonexistent"}, {"options", Json::object()}, {"index", 0}});
    } catch (const model::Error&) {  // it says no, and lives
    }
  };
  for (const auto& type : brought.vm_types)
    for (const auto& example : type->info().examples) try_with(*type, example, [&type](const Json& request) { type->plan(request); });
  for (const auto& type : brought.resource_types)
    for (const auto& example : type->info().examples) try_with(*type, example, [&type](const Json& request) { type->attach(request); });
}

}  // namespace

int inspect(const std::string& file, bool json) {
  const auto candidate = plugin::examine(file);
  auto said = json_of(candidate);
  said["result"] = "sound";
  if (candidate.refusal) add_refusal(said, *candidate.refusal);
  return print(STDOUT_FILENO, said, json);
}

void probe(const std::string& file, bool json) {
  const int answer = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);  // what the plugin prints must not be taken for the verdict
  if (answer < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) _exit(2);
  confine();
  const auto candidate = plugin::examine(file);
  auto said = json_of(candidate);
  said["result"] = "loads";
  NoServices services;
  plugin::Brought brought;
  auto refusal = candidate.refusal;
  const auto threads = thread_count();
  if (!refusal) refusal = plugin::bring_in(candidate, Json::object(), services, brought);
  if (!refusal && thread_count() != threads)
    refusal = plugin::Refusal{"plugin.starts_threads", "loading it starts threads, which the server knows nothing of", "report it to the plugin's author"};
  if (!refusal) exercise(brought);
  // The administrator's settings are not known here: that it wants some is no fault of the plugin.
  if (refusal && refusal->code != "plugin.settings_invalid") add_refusal(said, *refusal);
  said["types"] = types_of(brought);
  limit_file_size(RLIM_INFINITY);
  _exit(print(answer, said, json));  // without the plugin's destructors: the server never runs them either
}

int list(const Places& places, bool json) {
  const auto installation = daemon::find_installation();
  const auto file = places.configuration.empty() ? installation.configuration : fs::path(places.configuration);
  daemon::Settings configured;
  if (!file.empty()) daemon::load_file(configured, file);
  if (!places.directories.empty()) configured.plugin_directories = places.directories;
  if (!places.drop_ins.empty()) configured.drop_in_directories = places.drop_ins;
  auto settings = daemon::plugin_settings(configured, installation);
  settings.probe_program = fs::read_symlink("/proc/self/exe");
  NoServices services;
  const plugin::Registry registry(settings, services);
  std::string text;
  auto reports = Json::array();
  bool good = true;
  for (const auto& report : registry.plugins()) {
    good = good && report.status != "refused";
    text += plugin::line_of(report) + '\n';
    Json said{{"file", report.file.filename().string()}, {"name", report.name},     {"version", report.version},
              {"licence", report.licence},               {"status", report.status}, {"provides", report.provides}};
    if (!report.code.empty()) said.update({{"code", report.code}, {"cause", report.cause}, {"fix", report.fix}});
    reports.push_back(std::move(said));
  }
  return print(STDOUT_FILENO, json ? model::dump_json({{"plugins", reports}}) + '\n' : text, good);
}

}  // namespace velocity::tool
