// Runs another program to its end: no shell, no environment but what is given, nothing inherited but three descriptors, a deadline.
// Included by the sandbox only.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace velocity::storage {

// What has become of it. A program that could not be started at all ends with 127, as with a shell.
struct ProgramEnd {
  int status = 0;         // its exit status; 128 + the signal that ended it
  bool timed_out = false;  // it was killed at the deadline
  std::string errors;     // the first kMaxErrors bytes of its stderr
  bool success() const { return status == 0 && !timed_out; }
};

class Program {
 public:
  static constexpr std::size_t kMaxErrors = 16 * 1024;

  // `command` begins with the program's absolute path; `environment` is NAME=value.
  Program(std::vector<std::string> command, std::vector<std::string> environment, std::chrono::milliseconds deadline);

  // Blocks until the program has ended; `output` is given its stdout as it comes. From any thread, any number at once. At the deadline,
  // or when `output` throws, the program's process group is killed first. Throws Error(storage_failed) only when the kernel denies a
  // pipe or a pidfd.
  ProgramEnd run(const std::function<void(std::string_view)>& output = {}) const;

 private:
  std::vector<std::string> command_;
  std::vector<std::string> environment_;
  std::chrono::milliseconds deadline_;
};

}  // namespace velocity::storage
