#include "framework/libvirt/kvm_probe.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>
#include <thread>

#ifdef __x86_64__
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#endif

namespace velocity::libvirt {

namespace {

constexpr std::chrono::milliseconds kSetUpDeadline{1000};
constexpr std::chrono::milliseconds kRunDeadline{200};
constexpr const char* kDevice = "/dev/kvm";

// What the child reports through its pipe. Order: as they come.
enum class Step : int { opened, set_up, ran };
struct Report {
  Step step;
  int failure;      // errno, or 0
  int exit_reason;  // for `ran`: KVM's, when it is not the expected one
};

#ifdef __x86_64__

// Counts down from 20 million (10 ms), uses SSE, CPUID and CR0, says 0x42 at port 0xf4, halts. A real-mode guest would pass on hosts where
// nothing else runs.
constexpr std::uint8_t kGuest[] = {
    0x48, 0xc7, 0xc1, 0x00, 0x2d, 0x31, 0x01,  // mov rcx, 20000000
    0x48, 0xff, 0xc9, 0x75, 0xfb,              // dec rcx; jnz
    0x66, 0x0f, 0xef, 0xc0,                    // pxor xmm0, xmm0
    0x0f, 0xa2,                                // cpuid
    0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0,        // mov rax, cr0; mov cr0, rax
    0xb0, 0x42, 0xe6, 0xf4,                    // mov al, 0x42; out 0xf4, al
    0xf4,                                      // hlt
};
constexpr std::size_t kMemory = 4U << 20;
constexpr std::uint64_t kCode = 0x8000;

// From here to run_child(): in the child of a process with threads, so system calls only, no allocation, no locks.

bool set_up_segments(int vcpu) {
  kvm_sregs sregs;
  if (::ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0) return false;
  sregs.cr3 = 0x1000;
  sregs.cr4 = 0x620;       // PAE, OSFXSR, OSXMMEXCPT
  sregs.cr0 = 0x80010033;  // paging, write protect, numeric error, extension type, monitor, protected mode
  sregs.efer = 0x500;      // long mode, enabled and active
  kvm_segment segment{};
  segment.limit = 0xffffffff;
  segment.selector = 8;
  segment.type = 11;
  segment.present = 1;
  segment.s = 1;
  segment.l = 1;
  segment.g = 1;
  sregs.cs = segment;
  segment.selector = 16;
  segment.type = 3;
  segment.l = 0;
  segment.db = 1;
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment;
  if (::ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0) return false;
  kvm_regs regs{};
  regs.rip = kCode;
  regs.rsp = 0x7000;
  regs.rflags = 2;
  return ::ioctl(vcpu, KVM_SET_REGS, &regs) == 0;
}

// In C++ the empty struct inside kvm_cpuid2 has a size, so <linux/kvm.h> computes the wrong numbers for the two calls that name it.
constexpr unsigned kCpuidHead = 8;
constexpr unsigned long kGetSupportedCpuid = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, kCpuidHead);
constexpr unsigned long kSetCpuid = _IOC(_IOC_WRITE, KVMIO, 0x90, kCpuidHead);

// The processor's own features, so that long mode and SSE are allowed.
bool set_up_features(int device, int vcpu) {
  constexpr std::uint32_t kEntries = 256;
  alignas(std::uint64_t) std::array<std::byte, kCpuidHead + kEntries * sizeof(kvm_cpuid_entry2)> features{};
  std::memcpy(features.data(), &kEntries, sizeof kEntries);
  return ::ioctl(device, kGetSupportedCpuid, features.data()) == 0 && ::ioctl(vcpu, kSetCpuid, features.data()) == 0;
}

bool set_up_memory(int vm) {
  void* memory = ::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  auto* bytes = static_cast<std::uint8_t*>(memory);
  const std::uint64_t level4 = 0x2003;
  const std::uint64_t level3 = 0x3003;
  const std::uint64_t level2[] = {0x83, 0x200083};  // two pages of 2 MiB, one to one
  std::memcpy(bytes + 0x1000, &level4, sizeof level4);
  std::memcpy(bytes + 0x2000, &level3, sizeof level3);
  std::memcpy(bytes + 0x3000, level2, sizeof level2);
  std::memcpy(bytes + kCode, kGuest, sizeof kGuest);
  kvm_userspace_memory_region region{};
  region.memory_size = kMemory;
  region.userspace_addr = reinterpret_cast<std::uint64_t>(memory);
  return ::ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0 && ::ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) == 0;
}

Report run_guest(int vcpu, kvm_run* run) {
  bool spoke = false;
  for (;;) {
    if (::ioctl(vcpu, KVM_RUN, 0) < 0) return {Step::ran, errno, 0};
    if (run->exit_reason == KVM_EXIT_IO && !spoke) {
      spoke = reinterpret_cast<const std::uint8_t*>(run)[run->io.data_offset] == 0x42;
      continue;
    }
    if (run->exit_reason == KVM_EXIT_HLT && spoke) return {Step::ran, 0, 0};
    return {Step::ran, 0, static_cast<int>(run->exit_reason) + 1};  // + 1: a reason of 0 is a failure too
  }
}

void tell(int pipe, Report report) {
  if (::write(pipe, &report, sizeof report) < 0) ::_exit(1);
}

[[noreturn]] void run_child(int pipe) {
  const int device = ::open(kDevice, O_RDWR | O_CLOEXEC);
  tell(pipe, {Step::opened, device < 0 ? errno : 0, 0});
  const int vm = ::ioctl(device, KVM_CREATE_VM, 0);
  bool good = vm >= 0 && set_up_memory(vm);
  const int vcpu = good ? ::ioctl(vm, KVM_CREATE_VCPU, 0) : -1;
  const int size = ::ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0);
  good = good && vcpu >= 0 && size > 0 && set_up_features(device, vcpu) && set_up_segments(vcpu);
  void* run = good ? ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0) : MAP_FAILED;
  tell(pipe, {Step::set_up, run == MAP_FAILED ? (errno != 0 ? errno : EIO) : 0, 0});
  if (run != MAP_FAILED) tell(pipe, run_guest(vcpu, static_cast<kvm_run*>(run)));
  ::_exit(0);
}

#else

[[noreturn]] void run_child(int pipe) {  // other processors: opening has to do
  const int device = ::open(kDevice, O_RDWR | O_CLOEXEC);
  for (const Step step : {Step::opened, Step::set_up, Step::ran}) {
    const Report report{step, device < 0 ? errno : 0, 0};
    if (::write(pipe, &report, sizeof report) < 0) break;
  }
  ::_exit(0);
}

#endif

std::optional<Report> read_report(int pipe, std::chrono::milliseconds deadline) {
  pollfd wanted{pipe, POLLIN, 0};
  const auto until = std::chrono::steady_clock::now() + deadline;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<long long>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    Report report{};
    if (ready > 0 && ::read(pipe, &report, sizeof report) == static_cast<ssize_t>(sizeof report)) return report;
    return std::nullopt;
  }
}

KvmVerdict judge(int pipe) {
  const auto because = [](std::string_view what, int failure) {
    return fmt::format("{} {}", what, std::generic_category().message(failure));
  };
  const auto opened = read_report(pipe, kSetUpDeadline);
  if (!opened) return {false, true, "/dev/kvm cannot be opened in time"};
  if (opened->failure != 0) return {false, opened->failure != EACCES && opened->failure != EPERM, because("/dev/kvm:", opened->failure)};
  const auto set_up = read_report(pipe, kSetUpDeadline);
  if (!set_up) return {false, true, "KVM does not set up a guest in time"};
  if (set_up->failure != 0) return {false, true, because("KVM cannot set up a guest:", set_up->failure)};
  const auto ran = read_report(pipe, kRunDeadline);
  if (!ran)
    return {false, true, fmt::format("KVM is there, but a guest of a few instructions did not end within {} ms", kRunDeadline.count())};
  if (ran->failure != 0) return {false, true, because("KVM cannot run a guest:", ran->failure)};
  if (ran->exit_reason != 0)
    return {false, true, fmt::format("KVM is there, but a guest of a few instructions failed with exit reason {}", ran->exit_reason - 1)};
  return {true, true, {}};
}

// A child stuck in the kernel may not die: waiting for it has an end too.
void put_away(pid_t child) {
  ::kill(child, SIGKILL);
  for (int attempt = 0; attempt < 50; ++attempt) {
    if (::waitpid(child, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace

KvmVerdict probe_kvm() {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return {false, true, "KVM cannot be tried: " + std::generic_category().message(errno)};
  const pid_t child = ::fork();
  if (child == 0) {
    // Should it get stuck, it must not hold the server's locks and sockets.
    constexpr int kPipe = 3;
    if (pipe[1] != kPipe) ::dup2(pipe[1], kPipe);
    ::close_range(kPipe + 1, ~0U, 0);
    run_child(kPipe);
  }
  ::close(pipe[1]);
  KvmVerdict verdict = child > 0 ? judge(pipe[0]) : KvmVerdict{false, true, "KVM cannot be tried: no child process"};
  if (child > 0) put_away(child);
  ::close(pipe[0]);
  return verdict;
}

}  // namespace velocity::libvirt
