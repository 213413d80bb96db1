// The Host over libvirt's embedded driver, with real guests.
#include <gtest/gtest.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>

#include "framework/libvirt/apple_smc.hpp"
#include "tests/libvirt/embedded_fixture.hpp"
#include "tests/libvirt/example_machines.hpp"

#ifdef __SANITIZE_ADDRESS__
#error "now and then a child that libvirt forks would hang for ever: see velocity_rooms_for_guests()"
#endif

namespace velocity::libvirt {
namespace {

using model::ErrorCode;

TEST_F(Embedded, TellsItsFacts) {
  const HostFacts facts = host_->facts();
  EXPECT_TRUE(facts.embedded);
  EXPECT_EQ(facts.domain_type, "qemu");
  EXPECT_EQ(facts.acceleration, "tcg");
  EXPECT_TRUE(std::filesystem::exists(facts.emulator)) << facts.emulator;
  EXPECT_FALSE(facts.arch.empty());
  EXPECT_EQ(facts.most_processors, 288) << "of a q35 machine of QEMU 7.2";
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
  EXPECT_TRUE(std::filesystem::is_socket(directory().path() / (parts_.id.text() + ".vnc")));
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

// What QEMU's monitor says of a guest. libvirt lets several connections share the embedded driver within one process.
std::string ask_monitor(const std::filesystem::path& root, model::MachineId id, const char* command) {
  const virConnectPtr connection = virConnectOpen(("qemu:///embed?root=" + root.string()).c_str());
  const virDomainPtr domain = virDomainLookupByUUIDString(connection, id.text().c_str());
  char* answer = nullptr;
  virDomainQemuMonitorCommand(domain, command, &answer, VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP);
  std::string text = answer ? answer : "no answer";
  std::free(answer);
  virDomainFree(domain);
  virConnectClose(connection);
  return text;
}

TEST_F(Embedded, AnAppleControllerStandsInTheDeviceTreeAndItsKeyOnNoCommandLine) {
  const std::string key = std::string("this is no key of any controller") + "it only has the length of one...";
  const auto file = directory().path() / "smc.cfg";
  std::ofstream(file) << apple_smc_configuration(key);
  parts_.allowed_configurations = {file};
  parts_.fragments.push_back({"extensions", "<appleSmc config='" + file.string() + "'/>", "test"});
  EXPECT_EQ(domain_xml(parts_, host_->facts()).find(key), std::string::npos);
  start();
  const std::string tree = ask_monitor(root(), parts_.id, "info qtree");
  EXPECT_NE(tree.find("dev: isa-applesmc"), std::string::npos) << tree;
  EXPECT_NE(tree.find(key), std::string::npos);
  const pid_t process = guest_process(root() / "run/qemu", parts_.id);
  ASSERT_GT(process, 1);
  EXPECT_EQ(read_file("/proc/" + std::to_string(process) + "/cmdline").find(key), std::string::npos);
  EXPECT_EQ(read_file(root() / "log/qemu" / (parts_.id.text() + ".log")).find(key), std::string::npos);
}

TEST_F(Embedded, ATpmGoesWithItsMachine) {
  parts_.fragments.push_back({"devices", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>", "test"});
  start();
  EXPECT_TRUE(prints("TINY KERNEL UP"));
  const auto states = [] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root()))
      if (entry.path().filename() == "tpm2-00.permall") ++count;
    return count;
  };
  EXPECT_EQ(states(), 1U);
  host_->destroy(parts_.id);
  host_->undefine(parts_.id);
  EXPECT_EQ(states(), 0U);
}

}  // namespace
}  // namespace velocity::libvirt
