// Runs another program to its end: no shell, no environment but what is given, nothing inherited but three descriptors, a deadline.
// Included by who runs programs: the sandbox of the storage room and the prober of the plugin room.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace velocity::process {

// What has become of it.
struct ProgramEnd {
  bool started = true;     // false: there is no such program, or the kernel denies a process; `errors` says why, the status is a shell's 127
  int status = 0;          // its exit status; 128 + the signal that ended it
  int signal = 0;          // the signal that ended it
  bool timed_out = false;  // it was killed at the deadline
  std::string errors;      // the first kMaxErrors bytes of its stderr
  bool success() const { return status == 0 && !timed_out; }
};

class Program {
 public:
  static constexpr std::size_t kMaxErrors = 16 * 1024;

  // `command` begins with the program's absolute path; `environment` is NAME=value.
  Program(std::vector<std::string> command, std::vector<std::string> environment, std::chrono::milliseconds deadline);

  // Blocks until the program has ended; `output` is given its stdout as it comes. From any thread, any number at once. At the deadline,
  // or when `output` throws, the program is killed first. What it leaves of its process group is killed always. Throws only what `output`
  // throws.
  ProgramEnd run(const std::function<void(std::string_view)>& output = {}) const;

 private:
  std::vector<std::string> command_;
  std::vector<std::string> environment_;
  std::chrono::milliseconds deadline_;
};

// This process's own, for a program of ours.
std::vector<std::string> own_environment();

}  // namespace velocity::process
