// The conformance suite: whether a plugin keeps the contract of velocity/abi.h. Included by velocity-plugin.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "framework/model/json.hpp"

namespace velocity::conformance {

struct Options {
  std::filesystem::path file;
  model::Json settings = model::Json::object();            // as the administrator's, for `configure`
  std::map<std::string, std::filesystem::path> resources;  // by the spec's field: the file behind the resource that an example names there
  int level = 3;                                           // the highest that is run
  bool boot = false;                                       // start each machine on the embedded hypervisor, too
  std::string expected;                                    // what a machine that boots writes on its serial port; empty: that it runs is enough
};

enum class Verdict { passed, failed, skipped };

struct Result {
  std::string check;  // "L1.validate-idempotent"
  std::string type;   // "vm/example"; empty for what is the plugin's as a whole
  std::string title;  // a sentence that is true of what passed
  Verdict verdict = Verdict::failed;
  std::string why;  // of what failed or was skipped
};

// Runs one check after the other, each in a child process of its own: a plugin that crashes or hangs fails that check and no other. A level with a
// failure is the last. The caller must not have threads.
std::vector<Result> run(const Options& options, const std::function<void(const Result&)>& told);

}  // namespace velocity::conformance
