// `velocity-plugin inspect`, `probe` and `list`. Included by main.cpp. Each answers the program's exit status: 0 for what is good, 1 for what is
// refused, 2 when nothing can be said.
#pragma once

#include <string>
#include <vector>

namespace velocity::tool {

int inspect(const std::string& file, bool json);

// Loads the plugin here, within bounds, and ends the process: the caller does not come back.
[[noreturn]] void probe(const std::string& file, bool json);

// Every plugin file as a server with these directories would find it.
int list(std::vector<std::string> directories, std::vector<std::string> drop_ins, bool json);

}  // namespace velocity::tool
