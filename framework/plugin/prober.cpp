#include "framework/plugin/prober.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <velocity/abi.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "framework/model/field_reader.hpp"

namespace velocity::plugin {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxVerdict = 256 * 1024;

Refusal impossible(std::string why) {
  return {"plugin.probe_impossible", "it cannot be tried in a child process: " + std::move(why), "see that the server's installation is whole"};
}

// A running child with the pipe that it answers through. Nothing of it is left when this is gone.
class Child {
 public:
  ~Child() {
    if (pid_ > 0 && !reaped_) wait();
    for (const int fd : {answer_, alive_})
      if (fd >= 0) close(fd);
  }
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  std::optional<Refusal> start(const fs::path& program, const fs::path& file) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return impossible(std::strerror(errno));
    answer_ = ends[0];
    const int failure = spawn(program, file, ends[1]);
    close(ends[1]);
    if (failure != 0) return impossible(fmt::format("{}: {}", program.string(), std::strerror(failure)));
    alive_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));  // glibc 2.36 declares pidfd_open() for C only
    if (alive_ < 0 || fcntl(answer_, F_SETFL, O_NONBLOCK) != 0) return impossible(std::strerror(errno));
    return std::nullopt;
  }

  // Whether it ended before the deadline; what it said is in answer().
  bool await(Clock::time_point deadline) {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return false;
      std::array<pollfd, 2> watched{{{open_ ? answer_ : -1, POLLIN, 0}, {alive_, POLLIN, 0}}};
      const int ready = poll(watched.data(), watched.size(), static_cast<int>(left));
      if (ready < 0 && errno != EINTR) return false;
      if (ready <= 0) continue;
      const bool ended = watched[1].revents != 0;
      drain();
      if (ended) return true;
    }
  }

  // Ends it, should it still run, and all that it has started: it leads a process group of its own.
  int wait() {
    int status = 0;
    kill(-pid_, SIGKILL);
    kill(pid_, SIGKILL);
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    return status;
  }

  const std::string& answer() const { return text_; }

 private:
  int spawn(const fs::path& program, const fs::path& file, int out) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    std::string name = program.string(), verb = "probe", path = file.string();
    std::array<char*, 4> arguments{name.data(), verb.data(), path.data(), nullptr};
    const int failure = posix_spawn(&pid_, program.c_str(), &actions, &attributes, arguments.data(), environ);
    if (failure != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failure;
  }

  void drain() {
    std::array<char, 4096> buffer{};
    while (open_) {
      const auto got = read(answer_, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return;  // nothing more for now
      if (got == 0 || text_.size() > kMaxVerdict) open_ = false;
      text_.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

  pid_t pid_ = -1;
  int answer_ = -1, alive_ = -1;
  bool open_ = true, reaped_ = false;
  std::string text_;
};

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
  Child child;
  if (auto refusal = child.start(program, file)) return refusal;
  if (!child.await(Clock::now() + deadline))
    return Refusal{"plugin.probe_hung", fmt::format("loading it does not end within {} ms", deadline.count()), "report it to the plugin's author"};
  const int status = child.wait();
  if (WIFSIGNALED(status))
    return Refusal{"plugin.probe_crashed", fmt::format("loading it kills the process: {}", strsignal(WTERMSIG(status))), "report it to the plugin's author"};
  try {
    return verdict(child.answer());
  } catch (const model::Error&) {
    return Refusal{"plugin.probe_exited", fmt::format("loading it ends the process with status {}", WEXITSTATUS(status)),
                   "report it to the plugin's author"};
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
