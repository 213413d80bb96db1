#include "framework/process/program.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "framework/process/descriptor.hpp"

namespace velocity::process {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kDyingTime{5};  // for the rest of a killed group to let go of its pipes

// False: the kernel denies it.
struct Pipe {
  Pipe() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    reading = Descriptor(ends[0]);
    writing = Descriptor(ends[1]);
    ::fcntl(reading.number(), F_SETFL, O_NONBLOCK);
  }
  explicit operator bool() const { return static_cast<bool>(writing); }
  Descriptor reading;
  Descriptor writing;
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const auto& text : strings) result.push_back(const_cast<char*>(text.c_str()));  // exec's signature is older than const
  result.push_back(nullptr);
  return result;
}

// posix_spawn and not fork: between fork and exec a process with other threads may do next to nothing.
class Spawning {
 public:
  Spawning(int out, int err) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);  // what a library opened without close-on-exec
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  Spawning(const Spawning&) = delete;
  Spawning& operator=(const Spawning&) = delete;
  ~Spawning() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  int spawn(pid_t& pid, const std::vector<std::string>& command, const std::vector<std::string>& environment) const {
    return ::posix_spawn(&pid, command.front().c_str(), &actions_, &attributes_, pointers(command).data(), pointers(environment).data());
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// glibc 2.36 declares pidfd_open() for C only.
int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

// The running child: neither it nor the rest of its process group outlives this object, nor does it become a zombie.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid), watch_(open_pidfd(pid)) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { put_away(); }

  int watch() const { return watch_.number(); }  // -1: the kernel denies it
  void kill() const {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // should it have left its group
  }

  bool has_ended() const {
    pollfd event{watch_.number(), POLLIN, 0};
    return ::poll(&event, 1, 0) == 1;
  }

  // Kills before it waits: until then no other process can have the group's number.
  siginfo_t put_away() {
    siginfo_t info{};
    if (pid_ < 0) return info;
    kill();
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
    }
    pid_ = -1;
    return info;
  }

 private:
  pid_t pid_;
  Descriptor watch_;
};

// Hands on what is there now, all that a pipe holds at the least; false at the pipe's end.
bool drain(const Descriptor& pipe, const std::function<void(std::string_view)>& take) {
  constexpr int kReads = 64;  // 256 KiB: a writer that is quicker than we are does not keep us from looking at the clock
  std::array<char, 4096> buffer{};
  for (int i = 0; i < kReads; ++i) {
    const auto got = ::read(pipe.number(), buffer.data(), buffer.size());
    if (got > 0) {
      if (take) take(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
      return false;
    } else if (errno == EAGAIN) {
      return true;
    }
  }
  return true;
}

// Waits until something can be read, the child has ended, or `until`. A descriptor of -1 is passed over.
void wait_for(int out, int err, int watch, Clock::time_point until) {
  std::array<pollfd, 3> events{pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}, pollfd{watch, POLLIN, 0}};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  ::poll(events.data(), events.size(), static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, 60000)));
}

ProgramEnd not_started(const std::string& what, int error) {
  return {.started = false, .status = 127, .errors = what + ": " + std::generic_category().message(error)};
}

void note_end(ProgramEnd& end, const siginfo_t& info) {
  if (info.si_pid == 0) {
    end.status = 127;  // somebody else has waited for it
  } else if (info.si_code == CLD_EXITED) {
    end.status = info.si_status;
  } else {
    end.signal = info.si_status;
    end.status = 128 + end.signal;
  }
}

}  // namespace

Program::Program(std::vector<std::string> command, std::vector<std::string> environment, std::chrono::milliseconds deadline)
    : command_(std::move(command)), environment_(std::move(environment)), deadline_(deadline) {}

ProgramEnd Program::run(const std::function<void(std::string_view)>& output) const {
  Pipe out, err;
  if (!out || !err) return not_started("pipe", errno);
  pid_t pid = -1;
  if (const int error = Spawning(out.writing.number(), err.writing.number()).spawn(pid, command_, environment_))
    return not_started(command_.front(), error);
  out.writing.close();
  err.writing.close();

  Child child(pid);
  if (child.watch() < 0) return not_started("pidfd_open", errno);
  ProgramEnd end;
  const auto keep = [&end](std::string_view text) { end.errors.append(text.substr(0, kMaxErrors - end.errors.size())); };
  auto until = Clock::now() + deadline_;
  for (;;) {
    const bool ended = child.has_ended();  // asked before draining, so that nothing it wrote is missed
    if (out.reading && !drain(out.reading, end.timed_out ? nullptr : output)) out.reading.close();
    if (err.reading && !drain(err.reading, keep)) err.reading.close();
    // What a killed group leaves may hold its files for a moment more: the pipes' end says that all of it is gone.
    if (ended && (!end.timed_out || (!out.reading && !err.reading))) break;
    if (Clock::now() >= until) {
      if (end.timed_out) break;
      end.timed_out = true;
      child.kill();
      until = Clock::now() + kDyingTime;
    }
    wait_for(out.reading.number(), err.reading.number(), ended ? -1 : child.watch(), until);
  }
  note_end(end, child.put_away());
  return end;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry; ++entry) environment.emplace_back(*entry);
  return environment;
}

}  // namespace velocity::process
