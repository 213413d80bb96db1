// The Host over a libvirtd that hangs, dies and comes back.
#include <gtest/gtest.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <atomic>

#include "framework/libvirt/embedded.hpp"
#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

using model::ErrorCode;

class Libvirtd : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "a libvirtd of its own needs root";
    if (std::system("unshare --mount true 2>/dev/null") != 0) GTEST_SKIP() << "mount namespaces are not allowed here";
    if (std::system("command -v libvirtd >/dev/null") != 0) GTEST_SKIP() << "libvirtd is not installed (package libvirt-daemon)";
    prepare_embedded(directory_.path() / "c");
    run_daemon();
    host_ =
        std::make_unique<Host>(HostSettings{.uri = "qemu+unix:///system?socket=" + (directory_.path() / "d/socket/libvirt-sock").string(),
                                            .run_directory = directory_.path(),
                                            .acceleration = Acceleration::tcg,
                                            .deadline = 2s},
                               diary_);
    ASSERT_TRUE(diary_.hears("connected", 30s)) << host_->why_disconnected();
    // The first probe of a fresh libvirtd takes longer than this deadline on a busy machine.
    ASSERT_TRUE(eventually(30s, [this] { return code_of([this] { host_->facts(); }) == ErrorCode::server_internal; }));
  }

  void TearDown() override {
    if (daemon_ > 0) kill(daemon_, SIGCONT);
    if (host_ && eventually(10s, [this] { return host_->connected(); })) {
      try {
        host_->destroy(parts_.id);
        host_->undefine(parts_.id);
      } catch (const model::Error&) {  // was never defined
      }
    }
    host_.reset();
    if (daemon_ > 0) end_daemon(SIGTERM);
    // A test that failed may have left its guest.
    const pid_t guest = guest_process(directory_.path() / "d/run/libvirt/qemu", parts_.id);
    if (guest > 1) kill(guest, SIGKILL);
  }

  void run_daemon() {
    std::string script = VELOCITY_RUN_LIBVIRTD;
    std::string place = directory_.path() / "d";
    std::string configuration = directory_.path() / "c/etc/qemu.conf";
    std::array<char*, 4> arguments{script.data(), place.data(), configuration.data(), nullptr};
    ASSERT_EQ(posix_spawn(&daemon_, script.c_str(), nullptr, nullptr, arguments.data(), environ), 0);
  }
  void end_daemon(int signal) {
    kill(daemon_, signal);
    waitpid(daemon_, nullptr, 0);
    daemon_ = 0;
  }

  TemporaryDirectory directory_;
  DomainParts parts_ = tiny_machine(directory_.path());
  Diary diary_;
  std::unique_ptr<Host> host_;
  pid_t daemon_ = 0;
};

TEST_F(Libvirtd, RunsAGuest) {
  host_->define(domain_xml(parts_, host_->facts()));
  host_->start(parts_.id);
  EXPECT_TRUE(diary_.hears("changed " + parts_.id.text() + " RUNNING"));
  EXPECT_TRUE(eventually(20s, [&] { return read_file(parts_.console_log).find("TINY KERNEL UP") != std::string::npos; }));
}

// One connection used by two threads crashes libvirt's client, see lender.hpp.
TEST_F(Libvirtd, ServesManyThreadsAtOnce) {
  host_->define(domain_xml(parts_, host_->facts()));
  std::vector<std::thread> threads;
  std::atomic<int> answers = 0;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) answers += host_->state(parts_.id).state == MachineState::STOPPED ? 1 : 0;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(answers, 400);
}

TEST_F(Libvirtd, ThatHangsEndsCallsAtTheDeadlineAndIsNoticedAndForgiven) {
  diary_.forget();
  kill(daemon_, SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of([&] { host_->list(); }), ErrorCode::hypervisor_timeout);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 2s);
  EXPECT_LT(took, 3s);
  EXPECT_TRUE(diary_.hears("disconnected"));
  const auto after = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of([&] { host_->list(); }), ErrorCode::hypervisor_unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - after, 500ms);
  kill(daemon_, SIGCONT);
  EXPECT_TRUE(diary_.hears("connected", 20s));
  EXPECT_NO_THROW(host_->list());
}

TEST_F(Libvirtd, ThatHangsDoesNotKeepTheHostFromClosing) {
  kill(daemon_, SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  host_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);
}

TEST_F(Libvirtd, ThatIsKilledAndComesBackIsFoundAgainWithItsGuests) {
  host_->define(domain_xml(parts_, host_->facts()));
  host_->start(parts_.id);
  diary_.forget();
  end_daemon(SIGKILL);
  EXPECT_TRUE(diary_.hears("disconnected", 3s));
  EXPECT_EQ(code_of([&] { host_->start(parts_.id); }), ErrorCode::hypervisor_unavailable);
  run_daemon();
  ASSERT_TRUE(diary_.hears("connected", 20s)) << host_->why_disconnected();
  const auto listed = diary_.listed();
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].id, parts_.id);
  EXPECT_EQ(listed[0].runtime.state, MachineState::RUNNING);
}

// In a network namespace of its own, so that its interfaces are nobody else's.
class LibvirtdWithBridges : public Libvirtd {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "network namespaces are not allowed here";
    ASSERT_EQ(std::system("ip link add br7 address 02:00:00:00:00:07 type bridge && ip link set br7 up && ip link add v0 type veth peer name v1 && "
                          "ip link set v0 master br7 up && ip link set v1 up"), 0);
    Libvirtd::SetUp();
  }
};

TEST_F(LibvirtdWithBridges, TellsTheBridgesOfItsHostAndNothingElse) {
  const auto bridges = host_->bridges();
  ASSERT_EQ(bridges.size(), 1U);
  EXPECT_EQ(bridges[0].name, "br7");
  EXPECT_EQ(bridges[0].mac, "02:00:00:00:00:07");
  EXPECT_TRUE(bridges[0].up);
}

}  // namespace
}  // namespace velocity::libvirt
