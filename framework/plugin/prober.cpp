#include "framework/plugin/prober.hpp"

#include <velocity/abi.h>

#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "framework/model/field_reader.hpp"
#include "framework/process/program.hpp"

namespace velocity::plugin {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxVerdict = 256 * 1024;

// What the child said: a refusal, or that all is well. Anything else throws model::Error.
std::optional<Refusal> verdict(const std::string& text) {
  const auto json = model::parse_json(text);
  model::FieldReader fields(json);
  const auto result = fields.require("result", fields.text("result"));
  if (result == "loads") return std::nullopt;
  Refusal refusal{fields.require("code", fields.text("code")), fields.require("cause", fields.text("cause", kMaxVerdict)),
                  fields.require("fix", fields.text("fix"))};
  if (result != "refused") fields.note("result", "must be loads or refused");
  fields.finish();
  return refusal;
}

std::optional<Refusal> try_out(const fs::path& program, const fs::path& file, std::chrono::milliseconds deadline) {
  std::string answer;
  const process::Program probe({program.string(), "probe", "--json", file.string()}, process::own_environment(), deadline);
  const auto end = probe.run([&answer](std::string_view text) { answer.append(text.substr(0, kMaxVerdict - answer.size())); });
  if (!end.started)
    return Refusal{"plugin.probe_impossible", "it cannot be tried in a child process: " + end.errors, "see that the server's installation is whole"};
  if (end.timed_out)
    return Refusal{"plugin.probe_hung", fmt::format("loading it does not end within {} ms", deadline.count()), "report it to the plugin's author"};
  if (end.signal != 0)
    return Refusal{"plugin.probe_crashed", fmt::format("loading it kills the process: {}", strsignal(end.signal)), "report it to the plugin's author"};
  try {
    return verdict(answer);
  } catch (const model::Error&) {
    return Refusal{"plugin.probe_exited", fmt::format("loading it ends the process with status {}", end.status), "report it to the plugin's author"};
  }
}

}  // namespace

Prober::Prober(fs::path program, fs::path cache, std::chrono::milliseconds deadline)
    : program_(std::move(program)), cache_(std::move(cache)), deadline_(deadline) {}

std::optional<Refusal> Prober::fault(const Candidate& candidate) const {
  if (program_.empty()) return std::nullopt;
  const auto known = cache_.empty() ? fs::path() : cache_ / fmt::format("{}.abi-{}.{}", candidate.digest, VELOCITY_ABI_MAJOR, VELOCITY_ABI_MINOR);
  std::error_code ignored;
  if (!known.empty() && fs::exists(known, ignored)) return std::nullopt;
  if (auto refusal = try_out(program_, candidate.file, deadline_)) return refusal;
  if (!known.empty()) {
    fs::create_directories(cache_, ignored);
    std::ofstream(known) << candidate.file.string() << '\n';  // for people: that it is there is what counts; if it cannot be written, we try again
  }
  return std::nullopt;
}

}  // namespace velocity::plugin
