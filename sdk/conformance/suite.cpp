#include "sdk/conformance/suite.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "framework/model/error.hpp"
#include "sdk/conformance/subject.hpp"

namespace velocity::conformance {
namespace {

using Clock = std::chrono::steady_clock;

struct Step {
  int level;
  Result result;
  std::function<void()> work;
  std::chrono::seconds deadline;
};

Step step(const Options& options, const Check& check, const std::string& type) {
  Step made{check.level, {"L" + std::to_string(check.level) + "." + check.name, type, check.title, Verdict::failed, {}}, {}, std::chrono::seconds(60)};
  made.work = [&options, run = check.run, type] {
    Subject subject(options, type);
    run(subject);
  };
  if (check.level == 3) made.deadline = std::chrono::seconds(300);
  return made;
}

// L0 loads the plugin itself.
std::vector<Step> loading_steps(const Options& options) {
  const auto made = [&options](const char* name, const char* title, void (*check)(const Options&)) {
    return Step{0, {std::string("L0.") + name, "", title, Verdict::failed, {}}, [&options, check] { check(options); }, std::chrono::seconds(20)};
  };
  return {made("file", "the file may be trusted, is whole, is for this machine and ABI, and has a manifest", check_file),
          made("loads", "it loads, brings what its manifest says, and its schemas and examples are valid", check_loading),
          made("exports", "it exports its entry function and nothing else", check_exports),
          made("calm", "loading it starts no thread or process, opens nothing, prints nothing, handles no signal, and takes no second", check_calm),
          made("other-hosts", "it fills no more of the host's table than the host has, whether that is older or newer", check_other_hosts)};
}

std::vector<Step> all_steps(const Options& options) {
  auto steps = loading_steps(options);
  const auto provides = plugin::examine(options.file).manifest.provides;
  for (const auto& checks : {contract_checks(), planning_checks(), libvirt_checks()})
    for (const auto& check : checks) {
      if (check.of_a_type)
        for (const auto& type : provides) steps.push_back(step(options, check, type));
      else
        steps.push_back(step(options, check, ""));
    }
  return steps;
}

// In the child. What the plugin prints is no part of our answer.
[[noreturn]] void work(const Step& step, int answer) {
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(nowhere, STDIN_FILENO);
  dup2(nowhere, STDOUT_FILENO);
  if (!getenv("VELOCITY_PLUGIN_VERBOSE")) dup2(nowhere, STDERR_FILENO);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  Json said{{"verdict", "passed"}, {"why", ""}};
  const auto failed = [&said](const std::string& why) { said = {{"verdict", "failed"}, {"why", why}}; };
  try {
    step.work();
  } catch (const Skipped& skipped) {
    said = {{"verdict", "skipped"}, {"why", skipped.what()}};
  } catch (const model::Error& error) {
    std::string why = error.what();
    for (const auto& [path, message] : error.problems()) why += "; " + path + " " + message;
    failed(why + (error.detail().empty() ? "" : ": " + error.detail()));
  } catch (const std::exception& error) {
    failed(error.what());
  } catch (...) {
    failed("an exception of an unknown type");
  }
  const auto text = model::dump_json(said);
  for (std::size_t done = 0; done < text.size();) {
    const auto written = write(answer, text.data() + done, text.size() - done);
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  _exit(0);
}

// What the child says, to its end or to its own: what it has forked may keep the pipe open. nullopt at the deadline.
std::optional<std::string> read_all(int fd, int child, Clock::time_point until) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd ready[]{{fd, POLLIN, 0}, {child, POLLIN, 0}};
    const auto polled = left > 0 ? poll(ready, 2, static_cast<int>(left)) : 0;
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0) return std::nullopt;
    if (ready[0].revents == 0) return text;
    const auto got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

Result carry_out(const Step& step) {
  auto result = step.result;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe is to be had");
  const auto child = fork();
  if (child < 0) throw std::runtime_error("no process is to be had");
  if (child == 0) work(step, ends[1]);
  close(ends[1]);
  const int child_end = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  const auto said = read_all(ends[0], child_end, Clock::now() + step.deadline);
  close(child_end);
  close(ends[0]);
  if (!said) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  kill(-child, SIGKILL);  // what it left behind
  try {
    const auto json = model::parse_json(said.value_or(""));
    const auto verdict = json.at("verdict").get<std::string>();
    result.verdict = verdict == "passed" ? Verdict::passed : verdict == "skipped" ? Verdict::skipped : Verdict::failed;
    result.why = json.at("why").get<std::string>();
  } catch (const std::exception&) {
    if (!said) result.why = "it does not end within " + std::to_string(step.deadline.count()) + " s";
    else if (WIFSIGNALED(status)) result.why = std::string("it kills the process: ") + strsignal(WTERMSIG(status));
    else result.why = "it ends the process with status " + std::to_string(WEXITSTATUS(status));
  }
  return result;
}

}  // namespace

std::vector<Result> run(const Options& options, const std::function<void(const Result&)>& told) {
  std::vector<Result> results;
  int failed_level = options.level;
  for (const auto& step : all_steps(options)) {
    if (step.level > failed_level) break;
    results.push_back(carry_out(step));
    if (results.back().verdict == Verdict::failed) failed_level = step.level;
    told(results.back());
  }
  return results;
}

}  // namespace velocity::conformance
