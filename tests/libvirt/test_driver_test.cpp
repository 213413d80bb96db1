// The Host over libvirt's own test driver: no guests, but the same calls and events.
#include <gtest/gtest.h>

#include "tests/libvirt/example_machines.hpp"
#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

using model::ErrorCode;
using model::MachineId;

// Each test leaves the driver as it found it: all connections of a process share its state.
class TestDriver : public testing::Test {
 protected:
  TestDriver() : host_({.uri = "test:///default", .deadline = 5s}, diary_) {
    parts_ = plain_machine();
    parts_.id = MachineId::random();
  }

  void SetUp() override { ASSERT_TRUE(diary_.hears("connected")); }
  void TearDown() override {
    if (!host_.connected()) return;
    try {
      host_.destroy(parts_.id);
    } catch (const model::Error&) {
    }
    host_.undefine(parts_.id);
  }

  void define() { host_.define(domain_xml(parts_, host_.facts())); }

  DomainParts parts_;
  Diary diary_;
  Host host_;
};

TEST_F(TestDriver, TellsItsFacts) {
  const HostFacts facts = host_.facts();
  EXPECT_EQ(facts.domain_type, "test");
  EXPECT_FALSE(facts.embedded);
  EXPECT_TRUE(facts.emulator.empty());
}

TEST_F(TestDriver, ListsWhatIsThereWhenItConnects) {
  ASSERT_EQ(diary_.listed().size(), 1U);
  EXPECT_EQ(diary_.listed()[0].runtime.state, MachineState::RUNNING);
}

TEST_F(TestDriver, EachChangeIsHeard) {
  const std::string id = parts_.id.text();
  define();
  EXPECT_TRUE(diary_.hears("changed " + id + " STOPPED"));
  host_.start(parts_.id);
  EXPECT_TRUE(diary_.hears("changed " + id + " RUNNING"));
  host_.suspend(parts_.id);
  EXPECT_TRUE(diary_.hears("changed " + id + " PAUSED"));
  EXPECT_EQ(host_.state(parts_.id).state, MachineState::PAUSED);
  diary_.forget();
  host_.resume(parts_.id);
  EXPECT_TRUE(diary_.hears("changed " + id + " RUNNING"));
  host_.shutdown(parts_.id);
  EXPECT_TRUE(diary_.hears("changed " + id + " STOPPED shutdown"));
  host_.start(parts_.id);
  host_.destroy(parts_.id);
  EXPECT_TRUE(diary_.hears("changed " + id + " STOPPED destroyed"));
  host_.undefine(parts_.id);
  EXPECT_TRUE(diary_.hears("removed " + id));
}

TEST_F(TestDriver, DestroyingAndUndefiningAreDoneWhenThereIsNothingToDo) {
  define();
  host_.destroy(parts_.id);
  host_.undefine(parts_.id);
  host_.undefine(parts_.id);
  EXPECT_EQ(code_of([&] { host_.destroy(parts_.id); }), ErrorCode::hypervisor_not_found);
}

TEST_F(TestDriver, RefusalsHaveTheirCodes) {
  EXPECT_EQ(code_of([&] { host_.start(MachineId::random()); }), ErrorCode::hypervisor_not_found);
  EXPECT_EQ(code_of([&] { host_.state(MachineId::random()); }), ErrorCode::hypervisor_not_found);
  EXPECT_EQ(code_of([&] { host_.define("<domain/>"); }), ErrorCode::hypervisor_refused);
  EXPECT_EQ(code_of([&] { host_.define("this is not XML"); }), ErrorCode::hypervisor_refused);
}

TEST_F(TestDriver, LibvirtsOwnTextIsInTheDetailOnly) {
  try {
    host_.define("<domain type='test'><name>x</name><nonsense/></domain>");
    FAIL() << "was accepted";
  } catch (const model::Error& error) {
    EXPECT_EQ(error.message().find("nonsense"), std::string::npos) << error.message();
    EXPECT_NE(error.detail().find("nonsense"), std::string::npos) << error.detail();
  }
}

TEST_F(TestDriver, GivesBackTheXmlOfADomain) {
  define();
  const std::string xml = host_.domain_xml(parts_.id);
  EXPECT_NE(xml.find(parts_.id.text()), std::string::npos);
  EXPECT_NE(xml.find("urn:velocity:1"), std::string::npos) << xml;
}

TEST_F(TestDriver, CountsItsCallsAndIsSilentWhenNothingHappens) {
  const auto before = host_.calls();
  host_.list();
  EXPECT_GT(host_.calls(), before);
}

TEST_F(TestDriver, SeveralHostsShareTheProcess) {
  Diary diary;
  const auto second = std::make_unique<Host>(HostSettings{.name = "second", .uri = "test:///default"}, diary);
  ASSERT_TRUE(diary.hears("connected"));
  define();
  EXPECT_TRUE(diary.hears("changed " + parts_.id.text()));
  EXPECT_TRUE(diary_.hears("changed " + parts_.id.text()));
}

TEST_F(TestDriver, ManyStatesAreOneCall) {
  std::vector<MachineId> ids;
  const HostFacts facts = host_.facts();
  for (int i = 0; i < 30; ++i) {
    parts_.id = MachineId::random();
    ids.push_back(parts_.id);
    host_.define(domain_xml(parts_, facts));
  }
  const auto before = host_.calls();
  EXPECT_GE(host_.list().size(), ids.size());
  // Looking again after connecting may fall into this moment.
  EXPECT_LE(host_.calls() - before, 4U);
  for (const auto id : ids) host_.undefine(id);
}

TEST(AbsentHost, SaysSoAtOnceAndIsFoundWithoutHelp) {
  Diary diary;
  Host host({.uri = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"}, diary);
  ASSERT_TRUE(diary.hears("disconnected"));
  EXPECT_FALSE(host.connected());
  EXPECT_NE(host.why_disconnected().find("nonexistent"), std::string::npos) << host.why_disconnected();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of([&] { host.list(); }), ErrorCode::hypervisor_unavailable);
  EXPECT_EQ(code_of([&] { host.facts(); }), ErrorCode::hypervisor_unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST(AbsentHost, AnEmbeddedRootThatCannotBeUsedIsRefusedWithAReason) {
  Diary diary;
  Host host({.root = "/proc/velocity"}, diary);
  ASSERT_TRUE(diary.hears("disconnected"));
  EXPECT_NE(host.why_disconnected().find("/proc/velocity"), std::string::npos) << host.why_disconnected();
}

}  // namespace
}  // namespace velocity::libvirt
