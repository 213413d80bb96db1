// Whether a file may be trusted to run inside the server. Included by candidate.cpp.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "framework/plugin/refusal.hpp"

namespace velocity::plugin {

// Trusted is what only root, the user that runs this process, or who may change this very program can change: the file and every directory
// above it. (Whoever can replace the program need not go through a plugin; so a server runs out of a checkout whatever its umask.)
// `file` is absolute and has no symlinks but perhaps itself; `status` is what its open descriptor says.
std::optional<Refusal> trust_fault(const std::filesystem::path& file, const struct stat& status);

}  // namespace velocity::plugin
