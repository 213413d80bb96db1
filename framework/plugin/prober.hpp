// Tries a plugin in a child process first, which may crash or hang in the server's place. Included by registry.cpp.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include "framework/plugin/candidate.hpp"
#include "framework/plugin/refusal.hpp"

namespace velocity::plugin {

// Runs `program probe FILE` and believes its verdict; a child that dies, hangs or says nothing is a refusal too. What was found good is
// remembered by its digest, so that the next start need not try again; what was refused is tried again, for its cause may lie outside the file.
class Prober {
 public:
  Prober(std::filesystem::path program, std::filesystem::path cache, std::chrono::milliseconds deadline);

  std::optional<Refusal> fault(const Candidate& candidate) const;

 private:
  std::filesystem::path program_, cache_;
  std::chrono::milliseconds deadline_;
};

}  // namespace velocity::plugin
