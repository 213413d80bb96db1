#include "framework/plugin/drop_ins.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "framework/plugin/candidate.hpp"
#include "framework/plugin/trust.hpp"

namespace velocity::plugin {
namespace {

namespace fs = std::filesystem;

struct Said {
  bool enabled = true;
  Json settings = Json::object();
};

// Throws std::runtime_error saying what is wrong.
void read_file(const fs::path& file, Said& said) {
  struct stat status{};
  if (stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) throw std::runtime_error("it is not a regular file");
  if (const auto fault = trust_fault(file, status)) throw std::runtime_error(fault->cause);
  toml::table table;
  try {
    table = toml::parse_file(file.string());
  } catch (const toml::parse_error& error) {
    throw std::runtime_error(fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
  for (const auto& [key, node] : table) {
    if (key == "enabled" && node.is_boolean()) {
      said.enabled = node.as_boolean()->get();
    } else if (key == "settings" && node.is_table()) {
      std::ostringstream json;
      json << toml::json_formatter(*node.as_table());
      said.settings.update(model::parse_json(json.str()));
    } else {
      throw std::runtime_error(fmt::format("\"{}\" is not understood: there are enabled = true|false and a table [settings]", std::string(key.str())));
    }
  }
}

std::vector<fs::path> files_of(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code absent;
  for (fs::directory_iterator entry(directory, absent), end; !absent && entry != end; entry.increment(absent))
    if (entry->path().extension() == ".toml" && is_label(entry->path().stem().string())) files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

void read_drop_ins(const std::vector<fs::path>& directories, RegistrySettings& settings) {
  std::map<std::string, Said> said;
  for (const auto& directory : directories)
    for (const auto& file : files_of(directory)) {
      const auto plugin = file.stem().string();
      try {
        read_file(file, said[plugin]);
      } catch (const std::exception& error) {
        settings.broken_drop_ins[plugin] = fmt::format("{}: {}", file.string(), error.what());
      }
    }
  for (auto& [plugin, about] : said) {
    if (!about.enabled) settings.disabled.push_back(plugin);
    if (about.settings.empty()) continue;
    const auto given = settings.configuration.find(plugin);
    if (given != settings.configuration.end()) about.settings.update(*given);
    settings.configuration[plugin] = about.settings;
  }
}

}  // namespace velocity::plugin
