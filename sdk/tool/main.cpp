// velocity-plugin: what an author, a packager and the server itself look at plugins with.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "framework/model/json.hpp"
#include "sdk/tool/looking.hpp"
#include "sdk/tool/scaffold.hpp"
#include "sdk/tool/testing.hpp"

namespace {

using namespace velocity;

struct Asked {
  std::string file, kind, name, directory, settings;
  std::vector<std::string> resources;
  tool::Places places;
  bool json = false;
  conformance::Options test;
};

int make_new(const Asked& asked) {
  const auto directory = asked.directory.empty() ? asked.name : asked.directory;
  for (const auto& file : tool::scaffold(asked.kind, asked.name, directory)) std::printf("%s\n", file.c_str());
  std::printf("Next:\n  cd %s\n  cmake -B build && cmake --build build && ctest --test-dir build --output-on-failure\nREADME.md says more.\n", directory.c_str());
  return 0;
}

int test(Asked& asked) {
  asked.test.file = asked.file;
  if (!asked.settings.empty()) asked.test.settings = model::parse_json(asked.settings);
  for (const auto& pair : asked.resources) {
    const auto at = pair.find('=');
    if (at == std::string::npos) throw std::runtime_error("--resource takes FIELD=FILE, not " + pair);
    asked.test.resources[pair.substr(0, at)] = pair.substr(at + 1);
  }
  return tool::test(asked.test, asked.json);
}

CLI::App* command(CLI::App& app, const char* name, const char* help, Asked& asked) {
  auto* made = app.add_subcommand(name, help);
  made->add_flag("--json", asked.json, "answer in JSON");
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes, looks at, tries and tests plugins of Velocity", "velocity-plugin");
  app.require_subcommand(1);
  Asked asked;

  auto* making = app.add_subcommand("new", "write a project for a plugin that builds, passes and explains itself");
  making->add_option("KIND", asked.kind, "vm or resource")->required()->check(CLI::IsMember({"vm", "resource"}));
  making->add_option("NAME", asked.name, "what the plugin and its type are called")->required();
  making->add_option("--directory", asked.directory, "where to (default: NAME)");

  auto* inspecting = command(app, "inspect", "say what a plugin file is, without loading it", asked);
  auto* probing = command(app, "probe", "load a plugin here and say what it brings", asked);
  auto* testing = command(app, "test", "run the conformance suite on a plugin", asked);
  for (auto* each : {inspecting, probing, testing}) each->add_option("FILE", asked.file, "the plugin")->required();
  testing->add_option("--level", asked.test.level, "the highest level: 0 loads, 1 contract, 2 mock host, 3 real libvirt")->check(CLI::Range(0, 3));
  testing->add_flag("--boot", asked.test.boot, "start the machine of each example on the embedded hypervisor, too");
  testing->add_option("--expect", asked.test.expected, "with --boot: what each machine writes on its serial port");
  testing->add_option("--resource", asked.resources, "FIELD=FILE: what stands behind the resource that an example names in a field");
  testing->add_option("--settings", asked.settings, "the administrator's settings for the plugin, a JSON object");

  auto* listing = command(app, "list", "say of each plugin file what the server makes of it", asked);
  listing->add_option("--config", asked.places.configuration, "FILE: the server's configuration file (default: its service's)");
  listing->add_option("--plugins", asked.places.directories, "DIR: where the plugins are (default: as the configuration says)");
  listing->add_option("--drop-ins", asked.places.drop_ins, "DIR: plugins.d, the last wins (default: as the configuration says)");

  CLI11_PARSE(app, argc, argv);
  try {
    if (making->parsed()) return make_new(asked);
    if (inspecting->parsed()) return tool::inspect(asked.file, asked.json);
    if (probing->parsed()) tool::probe(asked.file, asked.json);
    if (testing->parsed()) return test(asked);
    return tool::list(asked.places, asked.json);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "velocity-plugin: %s\n", error.what());
    return 2;
  }
}
