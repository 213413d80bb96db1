#include "sdk/tool/testing.hpp"

#include <algorithm>
#include <cstdio>

namespace velocity::tool {
namespace {

using conformance::Result;
using conformance::Verdict;

const char* word(Verdict verdict) { return verdict == Verdict::passed ? "passed" : verdict == Verdict::failed ? "failed" : "skipped"; }

void tell(const Result& result) {
  std::printf("%-8s%-24s%s%s%s\n", word(result.verdict), result.check.c_str(), result.type.c_str(), result.type.empty() ? "" : ": ", result.title.c_str());
  if (!result.why.empty()) std::printf("        %s\n", result.why.c_str());
  std::fflush(stdout);
}

}  // namespace

int test(const conformance::Options& options, bool json) {
  const auto results = conformance::run(options, json ? [](const Result&) {} : tell);
  const auto count = [&results](Verdict verdict) { return std::count_if(results.begin(), results.end(), [=](const Result& r) { return r.verdict == verdict; }); };
  const auto failed = count(Verdict::failed);
  if (json) {
    auto checks = model::Json::array();
    for (const auto& result : results)
      checks.push_back({{"check", result.check}, {"type", result.type}, {"title", result.title}, {"verdict", word(result.verdict)}, {"why", result.why}});
    std::printf("%s\n", model::dump_json({{"file", options.file.string()}, {"result", failed ? "failed" : "passed"}, {"checks", checks}}).c_str());
  } else {
    std::printf("%s: %td passed, %td failed, %td skipped\n", failed ? "FAILED" : "OK", count(Verdict::passed), failed, count(Verdict::skipped));
  }
  return failed ? 1 : 0;
}

}  // namespace velocity::tool
