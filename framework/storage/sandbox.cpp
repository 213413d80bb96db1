#include "framework/storage/sandbox.hpp"

#include <fmt/format.h>

#include "framework/model/error.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;

// The loader and libraries of qemu-img, and no configuration, no home, no /proc, no device.
constexpr std::string_view kLibraries[] = {"/usr/lib", "/usr/lib64", "/lib", "/lib64"};
constexpr std::uint64_t kMemory = std::uint64_t{4} << 30;  // of addresses; qemu-img uses some 30 MiB, its threads' stacks reserve the rest

void append(std::vector<std::string>& command, std::initializer_list<std::string> words) { command.insert(command.end(), words); }

}  // namespace

Sandbox::Sandbox(SandboxSettings settings) : settings_(std::move(settings)) {}

ProgramEnd Sandbox::run(const SandboxRun& run, const std::function<void(std::string_view)>& output) {
  check_host();
  auto end = start(run, output);
  if (end.timed_out)
    throw Error(ErrorCode::storage_failed, "Working on the image took too long and was given up",
                fmt::format("qemu-img {} was killed after {} s", run.arguments.front(), settings_.deadline.count() / 1000));
  if (end.status == 127 || end.errors.starts_with("bwrap: ") || end.errors.starts_with("prlimit: "))
    throw Error(ErrorCode::storage_failed, "Images cannot be worked on safely on this host", end.errors);
  return end;
}

ProgramEnd Sandbox::start(const SandboxRun& run, const std::function<void(std::string_view)>& output) {
  ++processes_;
  // The arenas and the locale: less memory, and messages that we can read.
  return process::Program(command(run), {"LC_ALL=C", "MALLOC_ARENA_MAX=2"}, settings_.deadline).run(output);
}

// Nothing in it comes from outside: what the files are called inside is constant, and outside they are absolute paths of our own.
std::vector<std::string> Sandbox::command(const SandboxRun& run) const {
  std::vector<std::string> command{settings_.prlimit.string(),
                                   fmt::format("--fsize={}", run.file_bytes),
                                   fmt::format("--cpu={}:{}", run.cpu.count(), run.cpu.count() + 5),
                                   fmt::format("--as={}", kMemory),
                                   "--core=0",
                                   "--nofile=256",
                                   "--",
                                   settings_.bubblewrap.string()};
  // Further user namespaces are denied too: they open much of the kernel to a program that has been taken over.
  append(command, {"--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL"});
  for (const auto library : kLibraries) append(command, {"--ro-bind-try", std::string(library), std::string(library)});
  append(command, {"--ro-bind", settings_.qemu_img.string(), "/usr/bin/qemu-img"});
  const std::filesystem::path input(kInput);
  if (!run.input.empty()) append(command, {run.writable ? "--bind" : "--ro-bind", std::filesystem::absolute(run.input).string(), input.string()});
  for (const auto& file : run.below)
    append(command, {"--ro-bind", std::filesystem::absolute(file).string(), (input.parent_path() / file.filename()).string()});
  if (!run.output.empty()) append(command, {"--bind", std::filesystem::absolute(run.output).string(), std::string(kOutput)});
  // Without it qemu-img believes that this system has no locks, and would work on an image that a guest is writing to.
  append(command, {"--dev-bind", "/dev/null", "/dev/null"});
  append(command, {"--remount-ro", "/", "--chdir", "/", "--", "/usr/bin/qemu-img"});  // the root is memory: nothing to be filled
  command.insert(command.end(), run.arguments.begin(), run.arguments.end());
  return command;
}

void Sandbox::check_host() {
  if (checked_) return;
  const std::lock_guard lock(checking_);
  if (checked_) return;
  for (const auto& tool : {settings_.prlimit, settings_.bubblewrap, settings_.qemu_img})
    if (std::error_code ignored; !std::filesystem::is_regular_file(tool, ignored))
      throw Error(ErrorCode::storage_failed, "Images cannot be worked on safely on this host",
                  fmt::format("{} is missing: install util-linux, bubblewrap and qemu-utils", tool.string()));
  const auto end = start({.arguments = {"--version"}}, {});
  checked_ = end.success();  // a failure is not remembered: the host may be put right meanwhile
  if (checked_) return;
  throw Error(ErrorCode::storage_failed, "Images cannot be worked on safely on this host",
              fmt::format("bubblewrap (0.8 or later) does not work here (status {}): {} It needs user namespaces: sysctl "
                          "kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000, and no AppArmor or seccomp rule against them",
                          end.status, end.errors));
}

}  // namespace velocity::storage
