// L3: real libvirt. Its test driver defines each example, which holds the plan to libvirt's own schema; with --boot the embedded driver starts each.
#include <stdlib.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "framework/libvirt/host.hpp"
#include "framework/model/error.hpp"
#include "sdk/conformance/planning.hpp"
#include "sdk/conformance/subject.hpp"

namespace velocity::conformance {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Deaf final : public libvirt::Listener {
  void connected(const std::vector<libvirt::DomainState>&) override {}
  void disconnected(const std::string&) override {}
  void changed(const libvirt::DomainState&) override {}
  void removed(model::MachineId) override {}
};

// A directory of our own, gone at the end.
struct Workplace {
  fs::path path;
  Workplace() {
    std::string name = "/tmp/velocity-plugin-XXXXXX";
    if (!mkdtemp(name.data())) throw Failed("no directory is to be had in /tmp");
    path = name;
    for (const auto* folder : {"libvirt", "run", "nvram", "log"}) fs::create_directory(path / folder);
    fs::permissions(path, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  }
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Workplace(const Workplace&) = delete;
};

void is_defined(Subject& subject) {
  Deaf listener;
  libvirt::HostSettings settings;
  settings.uri = "test:///default";
  libvirt::Host host(settings, listener);
  const auto facts = host.facts();
  for (const auto& example : subject.examples()) {
    const auto parts = domain_parts(subject, example, facts);
    host.define(libvirt::domain_xml(parts, facts));
    host.undefine(parts.id);
  }
}

bool within(std::chrono::seconds limit, const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(50ms);
  }
  return true;
}

std::string written_to(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void boot(Subject& subject, libvirt::Host& host, const Workplace& workplace, const Example& example) {
  auto parts = domain_parts(subject, example, host.facts());
  parts.nvram = workplace.path / "nvram/example.fd";
  parts.console_log = workplace.path / "log/example.log";
  parts.run_directory = workplace.path / "run";
  host.define(libvirt::domain_xml(parts, host.facts()));
  std::exception_ptr fault;
  try {
    host.start(parts.id);
    const auto& expected = subject.options.expected;
    const auto console = [&] { return written_to(parts.console_log); };
    if (!expected.empty() && !within(120s, [&] { return console().find(expected) != std::string::npos; }))
      throw Failed("\"" + expected + "\" does not appear on the serial port within 120 s: " + console().substr(0, 500));
    if (expected.empty() && !within(10s, [&] { return host.state(parts.id).state == model::MachineState::RUNNING; })) throw Failed("the machine does not run");
  } catch (...) {
    fault = std::current_exception();
  }
  host.destroy(parts.id);
  host.undefine(parts.id);
  if (fault) std::rethrow_exception(fault);
}

void boots(Subject& subject) {
  if (!subject.options.boot) throw Skipped("asked for with --boot");
  if (!subject.is_vm()) throw Skipped("a resource does not boot");
  const Workplace workplace;
  Deaf listener;
  libvirt::HostSettings settings;
  settings.root = workplace.path / "libvirt";
  settings.run_directory = workplace.path / "run";
  settings.acceleration = libvirt::Acceleration::tcg;
  settings.deadline = 60s;
  libvirt::Host host(settings, listener);
  bool booted = false;
  for (const auto& example : subject.examples()) {
    if (!subject.vm().plan(subject.planning_request(example)).files.empty()) continue;
    boot(subject, host, workplace, example);
    booted = true;
  }
  if (!booted) throw Skipped("each example has files that only a server makes");
}

}  // namespace

std::vector<Check> libvirt_checks() {
  return {{3, "defines", "libvirt accepts the machine of each example", true, is_defined},
          {3, "boots", "the machine of each example starts on a real hypervisor", true, boots}};
}

}  // namespace velocity::conformance
