// `velocity-plugin inspect`, `probe` and `list`. Included by main.cpp. Each answers the program's exit status: 0 for what is good, 1 for what is
// refused, 2 when nothing can be said.
#pragma once

#include <string>
#include <vector>

namespace velocity::tool {

int inspect(const std::string& file, bool json);

// Loads the plugin here, within bounds, and ends the process: the caller does not come back.
[[noreturn]] void probe(const std::string& file, bool json);

// Where the plugins are that are listed. What is empty is as the server's service has it.
struct Places {
  std::string configuration;  // velocityd's file
  std::vector<std::string> directories, drop_ins;
};

// Every plugin file as the server would find it. Throws daemon::ConfigError for a configuration that the server would not take either.
int list(const Places& places, bool json);

}  // namespace velocity::tool
