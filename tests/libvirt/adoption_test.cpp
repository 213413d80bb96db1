// What a server finds after it was killed: guests that run on, and guests that died meanwhile.
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>

#include "framework/libvirt/embedded.hpp"
#include "tests/libvirt/example_machines.hpp"
#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

// The program in owner.cpp as a child that can be told things and killed.
class Owner {
 public:
  explicit Owner(const std::filesystem::path& root) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw std::runtime_error("no socket pair");
    end_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    std::string program = VELOCITY_OWNER;
    std::string directory = root;
    std::array<char*, 3> arguments{program.data(), directory.data(), nullptr};
    if (posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0)
      throw std::runtime_error("cannot run the owner");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  ~Owner() {
    close(end_);  // ends its input
    if (process_ > 0) waitpid(process_, nullptr, 0);
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  // Whether a line comes that has this in it. Forgets the lines before it.
  bool says(const std::string& words, std::chrono::milliseconds limit = 20s) {
    const auto until = std::chrono::steady_clock::now() + limit;
    for (;;) {
      for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
        const std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        if (line.find(words) != std::string::npos) return true;
        if (line.starts_with("failed")) ADD_FAILURE() << line;
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
      pollfd wanted{end_, POLLIN, 0};
      std::array<char, 4096> some{};
      if (left <= 0 || poll(&wanted, 1, static_cast<int>(left)) <= 0) return false;
      const auto size = read(end_, some.data(), some.size());
      if (size <= 0) return false;
      text_.append(some.data(), static_cast<std::size_t>(size));
    }
  }
  bool does(const std::string& command) {
    const std::string line = command + "\n";
    return write(end_, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && says("done");
  }
  void die() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = 0;
  }

 private:
  int end_ = -1;
  pid_t process_ = 0;
  std::string text_;
};

class Adoption : public testing::Test {
 protected:
  // A guest that runs, and whose owner was killed.
  void SetUp() override {
    const auto xml = directory_.path() / "machine.xml";
    std::ofstream(xml) << domain_xml(parts_, tcg_host());
    Owner owner(root());
    ASSERT_TRUE(owner.says("connected"));
    ASSERT_TRUE(owner.does("define " + xml.string()));
    ASSERT_TRUE(owner.does("start " + id()));
    owner.die();
    guest_ = guest_process(root() / "run/qemu", parts_.id);
    ASSERT_GT(guest_, 1);
  }
  void TearDown() override {
    Owner owner(root());
    EXPECT_TRUE(owner.says("connected"));
    EXPECT_TRUE(owner.does("destroy " + id()));
    EXPECT_TRUE(owner.does("undefine " + id()));
  }

  std::filesystem::path root() const { return directory_.path() / "root"; }
  std::string id() const { return parts_.id.text(); }

  TemporaryDirectory directory_;
  DomainParts parts_ = tiny_machine(directory_.path());
  pid_t guest_ = 0;
};

TEST_F(Adoption, AGuestOutlivesTheKilledServerAndIsFoundRunning) {
  EXPECT_EQ(kill(guest_, 0), 0);
  Owner owner(root());
  EXPECT_TRUE(owner.says("listed " + id() + " RUNNING"));
}

TEST_F(Adoption, AnAdoptedGuestsDeathIsHeardWithinTwoSeconds) {
  Owner owner(root());
  ASSERT_TRUE(owner.says("connected"));
  std::this_thread::sleep_for(500ms);  // until libvirt listens to it again
  kill(guest_, SIGKILL);
  EXPECT_TRUE(owner.says("changed " + id() + " STOPPED", 2s));
}

TEST_F(Adoption, AGuestThatDiedMeanwhileIsKnownAsStoppedWithinThreeSeconds) {
  ASSERT_EQ(kill(guest_, SIGKILL), 0);
  ASSERT_TRUE(eventually(5s, [this] { return kill(guest_, 0) != 0; })) << "nobody reaps: run the tests under a subreaper";
  Owner owner(root());
  EXPECT_TRUE(owner.says(id() + " STOPPED", 3s));
}

// The first start probes QEMU for more than a second; what a kill in that time leaves must not stay for ever.
TEST(OrphanedProbe, IsEndedByTheNextStart) {
  TemporaryDirectory directory;
  const auto root = directory.path() / "root";
  const auto probes = [&] {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator(root / "lib/qemu"))
      if (const auto text = read_file(entry.path() / "qmp.pid"); !text.empty()) found.push_back(static_cast<pid_t>(std::stol(text)));
    return found;
  };
  std::vector<pid_t> orphans;
  {
    Owner owner(root);
    ASSERT_TRUE(owner.says("connected"));
    if (!eventually(2s, [&] { return !probes().empty(); })) GTEST_SKIP() << "the probe was too quick to be seen";
    owner.die();
    orphans = probes();
  }
  prepare_embedded(root);
  EXPECT_TRUE(probes().empty());
  for (const pid_t orphan : orphans) EXPECT_TRUE(eventually(5s, [&] { return kill(orphan, 0) != 0; })) << orphan;
}

// A checkout can lie deep; the paths of sockets may not be long.
TEST(DeepRoot, AGuestRunsAndIsAdopted) {
  TemporaryDirectory directory;
  const DomainParts parts = tiny_machine(directory.path());
  const auto root = directory.path() / std::string(60, 'd') / std::string(60, 'e');
  const auto xml = directory.path() / "machine.xml";
  std::ofstream(xml) << domain_xml(parts, tcg_host());
  const std::string uri = prepare_embedded(root);
  {
    Owner owner(root);
    ASSERT_TRUE(owner.says("connected"));
    ASSERT_TRUE(owner.does("define " + xml.string()));
    EXPECT_TRUE(owner.does("start " + parts.id.text()));
    owner.die();
  }
  Owner owner(root);
  EXPECT_TRUE(owner.says("listed " + parts.id.text() + " RUNNING"));
  EXPECT_TRUE(owner.does("destroy " + parts.id.text()));
  const std::filesystem::path link = uri.substr(uri.find('=') + 1);
  EXPECT_TRUE(std::filesystem::is_symlink(link)) << uri;
  std::filesystem::remove(link);
}

}  // namespace
}  // namespace velocity::libvirt
