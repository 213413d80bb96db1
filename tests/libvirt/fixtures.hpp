// What several of this folder's tests stand on: a directory of their own, a listener that writes down what it hears, a guest.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "framework/libvirt/domain_xml.hpp"
#include "framework/libvirt/host.hpp"
#include "framework/model/names.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::libvirt {

using namespace std::chrono_literals;
using model::MachineState;
using test::TemporaryDirectory;

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

// Lines as "connected 2", "disconnected", "changed <id> RUNNING cause", "removed <id>".
class Diary : public Listener {
 public:
  void connected(const std::vector<DomainState>& domains) override {
    const std::lock_guard lock(mutex_);
    listed_ = domains;
    note("connected " + std::to_string(domains.size()));
  }
  void disconnected(const std::string&) override {
    const std::lock_guard lock(mutex_);
    note("disconnected");
  }
  void changed(const DomainState& domain) override {
    const std::lock_guard lock(mutex_);
    std::string line = "changed " + domain.id.text() + " " + std::string(model::name(domain.runtime.state));
    if (!domain.runtime.cause.empty()) line += " " + domain.runtime.cause;
    note(std::move(line));
  }
  void removed(model::MachineId id) override {
    const std::lock_guard lock(mutex_);
    note("removed " + id.text());
  }

  // Whether a line that begins so comes, after those that forget() has seen.
  bool hears(const std::string& beginning, std::chrono::milliseconds limit = 10s) {
    std::unique_lock lock(mutex_);
    return news_.wait_for(lock, limit, [&] {
      return std::any_of(lines_.begin(), lines_.end(), [&](const std::string& line) { return line.starts_with(beginning); });
    });
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    lines_.clear();
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::vector<DomainState> listed() {
    const std::lock_guard lock(mutex_);
    return listed_;
  }

 private:
  void note(std::string line) {
    lines_.push_back(std::move(line));
    news_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<std::string> lines_;
  std::vector<DomainState> listed_;
};

// The code of the Error that the work throws; server_internal when it throws none.
template <class Work>
model::ErrorCode code_of(Work work) {
  try {
    work();
  } catch (const model::Error& error) {
    return error.code();
  }
  return model::ErrorCode::server_internal;
}

// A machine that boots the kernel below tests/support.
inline DomainParts tiny_machine(const std::filesystem::path& directory) {
  DomainParts parts;
  parts.id = model::MachineId::random();
  parts.title = "tiny";
  parts.memory_mb = 32;
  parts.console_log = directory / (parts.id.text() + ".log");
  parts.run_directory = directory;
  parts.allowed_files = {VELOCITY_TINY_KERNEL};
  parts.fragments = {
      {"os", "<os><type arch='x86_64' machine='q35'>hvm</type><kernel>" VELOCITY_TINY_KERNEL "</kernel><cmdline>hello</cmdline></os>",
       "test"},
      {"features", "<features><acpi/></features>", "test"}};
  return parts;
}

// The process of a guest, from the file that libvirt's QEMU driver writes.
inline pid_t guest_process(const std::filesystem::path& state_directory, model::MachineId id) {
  const std::string text = read_file(state_directory / (id.text() + ".pid"));
  return text.empty() ? 0 : static_cast<pid_t>(std::stol(text));
}

}  // namespace velocity::libvirt
