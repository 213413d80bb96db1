// The Host over libvirt's embedded driver, with real guests. libvirt allows one embedded root a process, so these tests share it.
#include <gtest/gtest.h>

#include "tests/libvirt/example_machines.hpp"
#include "tests/libvirt/fixtures.hpp"

#ifdef __SANITIZE_ADDRESS__
#error "now and then a child that libvirt forks would hang for ever: see velocity_rooms_for_guests()"
#endif

namespace velocity::libvirt {
namespace {

using model::ErrorCode;
using model::MachineId;

class Embedded : public testing::Test {
 protected:
  static void SetUpTestSuite() { directory_ = std::make_unique<TemporaryDirectory>(); }
  static void TearDownTestSuite() { directory_.reset(); }

  Embedded() : parts_(tiny_machine(directory_->path())) { connect(); }
  ~Embedded() override {
    try {
      if (!host_) connect();
      host_->destroy(parts_.id);
      host_->undefine(parts_.id);
    } catch (const model::Error&) {  // was never defined
    }
  }

  static std::filesystem::path root() { return directory_->path() / "root"; }

  void connect() {
    diary_.forget();
    host_ = std::make_unique<Host>(HostSettings{.root = root(), .run_directory = directory_->path(), .acceleration = Acceleration::tcg},
                                   diary_);
    if (!diary_.hears("connected")) throw std::runtime_error(host_->why_disconnected());
  }
  void define() { host_->define(domain_xml(parts_, host_->facts())); }
  void start() {
    define();
    host_->start(parts_.id);
  }
  bool prints(const std::string& text) {
    return eventually(20s, [&] { return read_file(parts_.console_log).find(text) != std::string::npos; });
  }
  bool hears(const std::string& state, std::chrono::milliseconds limit = 10s) {
    return diary_.hears("changed " + parts_.id.text() + " " + state, limit);
  }

  static inline std::unique_ptr<TemporaryDirectory> directory_;
  Diary diary_;
  DomainParts parts_;
  std::unique_ptr<Host> host_;
};

TEST_F(Embedded, TellsItsFacts) {
  const HostFacts facts = host_->facts();
  EXPECT_TRUE(facts.embedded);
  EXPECT_EQ(facts.domain_type, "qemu");
  EXPECT_EQ(facts.acceleration, "tcg");
  EXPECT_TRUE(std::filesystem::exists(facts.emulator)) << facts.emulator;
  EXPECT_FALSE(facts.arch.empty());
}

TEST_F(Embedded, AcceptsEveryGoldenMachine) {
  for (Example example : examples()) {
    if (example.facts.domain_type != "qemu") continue;
    example.parts.id = parts_.id;
    EXPECT_NO_THROW(host_->define(domain_xml(example.parts, host_->facts()))) << example.name;
  }
}

TEST_F(Embedded, AGuestGoesThroughItsLife) {
  start();
  EXPECT_TRUE(hears("RUNNING"));
  EXPECT_TRUE(prints("TINY KERNEL UP: hello")) << read_file(parts_.console_log);
  host_->suspend(parts_.id);
  EXPECT_TRUE(hears("PAUSED"));
  EXPECT_EQ(host_->state(parts_.id).state, MachineState::PAUSED);
  diary_.forget();
  host_->resume(parts_.id);
  EXPECT_TRUE(hears("RUNNING"));
  host_->shutdown(parts_.id);
  EXPECT_TRUE(hears("STOPPED shutdown", 20s));
  EXPECT_TRUE(prints("BYE"));
  EXPECT_EQ(host_->state(parts_.id).cause, "shutdown");
}

TEST_F(Embedded, AChangeThatTheStateDoesNotAllowIsRefusedAsThat) {
  define();
  EXPECT_EQ(code_of([&] { host_->resume(parts_.id); }), ErrorCode::hypervisor_wrong_state);
  EXPECT_EQ(code_of([&] { host_->suspend(parts_.id); }), ErrorCode::hypervisor_wrong_state);
  EXPECT_EQ(code_of([&] { host_->shutdown(parts_.id); }), ErrorCode::hypervisor_wrong_state);
  EXPECT_NO_THROW(host_->destroy(parts_.id));
  host_->start(parts_.id);
  EXPECT_EQ(code_of([&] { host_->start(parts_.id); }), ErrorCode::hypervisor_wrong_state);
}

TEST_F(Embedded, TheConsoleLogGoesOnOverRestarts) {
  start();
  ASSERT_TRUE(prints("TINY KERNEL UP"));
  host_->destroy(parts_.id);
  EXPECT_TRUE(hears("STOPPED destroyed"));
  const auto before = read_file(parts_.console_log).size();
  host_->start(parts_.id);
  EXPECT_TRUE(eventually(20s, [&] { return read_file(parts_.console_log).size() >= 2 * before; }));
}

TEST_F(Embedded, TheDeathOfAGuestsProcessIsHeardWithinTwoSeconds) {
  start();
  ASSERT_TRUE(prints("TINY KERNEL UP"));
  const pid_t process = guest_process(root() / "run/qemu", parts_.id);
  ASSERT_GT(process, 1);
  ASSERT_EQ(kill(process, SIGKILL), 0);
  EXPECT_TRUE(hears("STOPPED crashed", 2s));
  host_->destroy(parts_.id);
  EXPECT_EQ(host_->state(parts_.id).cause, "crashed");
}

TEST_F(Embedded, GuestsRunOnWhileNoHostIsThere) {
  start();
  ASSERT_TRUE(prints("TINY KERNEL UP"));
  host_.reset();
  connect();
  ASSERT_EQ(diary_.listed().size(), 1U);
  EXPECT_EQ(diary_.listed()[0].id, parts_.id);
  EXPECT_EQ(diary_.listed()[0].runtime.state, MachineState::RUNNING);
  host_->shutdown(parts_.id);
  EXPECT_TRUE(hears("STOPPED shutdown", 20s));
}

TEST_F(Embedded, AScreenIsASocketInTheRunDirectory) {
  parts_.displays = true;
  start();
  EXPECT_TRUE(std::filesystem::is_socket(directory_->path() / (parts_.id.text() + ".vnc")));
}

TEST_F(Embedded, AFileThatIsNotThereFailsTheStartAndLeavesTheMachineStopped) {
  parts_.allowed_files.insert("/nonexistent.img");
  parts_.fragments.push_back(
      {"devices", "<disk type='file'><driver type='raw'/><source file='/nonexistent.img'/><target dev='vda' bus='virtio'/></disk>",
       "test"});
  define();
  EXPECT_EQ(code_of([&] { host_->start(parts_.id); }), ErrorCode::hypervisor_failed);
  EXPECT_EQ(host_->state(parts_.id).state, MachineState::STOPPED);
}

TEST_F(Embedded, AnUndefinedMachineLeavesNothingInTheRoot) {
  start();
  host_->destroy(parts_.id);
  host_->undefine(parts_.id);
  EXPECT_TRUE(diary_.hears("removed " + parts_.id.text()));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root()))
    EXPECT_EQ(entry.path().string().find(parts_.id.text().substr(0, 20)), std::string::npos) << entry.path();
}

TEST_F(Embedded, ConfiguresTheDriverNotToTouchFilesOfOthers) {
  const std::string configuration = read_file(root() / "etc/qemu.conf");
  EXPECT_NE(configuration.find("dynamic_ownership = 0"), std::string::npos) << configuration;
  EXPECT_NE(configuration.find("stdio_handler = \"file\""), std::string::npos) << configuration;
  EXPECT_EQ(std::filesystem::status(root()).permissions(), std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace velocity::libvirt
