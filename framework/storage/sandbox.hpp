// qemu-img behind walls: bubblewrap (no network, no processes, no files but its own code, one input and one output directory) and limits
// of size, time and memory. Included by the volumes only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "framework/process/program.hpp"

namespace velocity::storage {

using process::ProgramEnd;

// Where the tools are, and how long one of them may run. A file system that is slow needs a longer deadline.
struct SandboxSettings {
  std::filesystem::path qemu_img = "/usr/bin/qemu-img";
  std::filesystem::path bubblewrap = "/usr/bin/bwrap";
  std::filesystem::path prlimit = "/usr/bin/prlimit";
  std::chrono::milliseconds deadline = std::chrono::hours(1);
};

// What one run may see and use.
struct SandboxRun {
  std::vector<std::string> arguments;     // of qemu-img; files are named as they are inside: kInput, or in kOutput
  std::filesystem::path input = {};       // a file, seen as kInput; none when empty
  bool writable = false;                  // whether it may be written to
  std::vector<std::filesystem::path> below = {};  // what it is based on: files seen read-only beside it, under their own names
  std::filesystem::path output = {};      // a directory, seen as kOutput; none when empty
  std::int64_t file_bytes = 0;            // no file may grow beyond
  std::chrono::seconds cpu = std::chrono::seconds(60);
};

// Threads: any. Fails closed: where the walls cannot be put up, nothing runs.
class Sandbox {
 public:
  static constexpr std::string_view kInput = "/in/image";
  static constexpr std::string_view kOutput = "/out";

  explicit Sandbox(SandboxSettings settings);

  // Throws Error(storage_failed) where the sandbox does not work on this host (looked at once, at the first call) or at the deadline.
  ProgramEnd run(const SandboxRun& run, const std::function<void(std::string_view)>& output = {});
  unsigned long long processes() const { return processes_; }

 private:
  std::vector<std::string> command(const SandboxRun& run) const;
  ProgramEnd start(const SandboxRun& run, const std::function<void(std::string_view)>& output);
  void check_host();

  SandboxSettings settings_;
  std::mutex checking_;
  std::atomic<bool> checked_ = false;
  std::atomic<unsigned long long> processes_ = 0;
};

}  // namespace velocity::storage
