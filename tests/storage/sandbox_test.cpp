// The walls around qemu-img, tried from inside by a program that has taken its place.
#include <set>

#include <csignal>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/storage/pool_fixture.hpp"

namespace velocity::storage::test {
namespace {

using model::Error;
using model::ErrorCode;
namespace fs = std::filesystem;

class SandboxTest : public PoolTest {
 protected:
  static SandboxSettings taken_over(std::chrono::milliseconds deadline = std::chrono::minutes(1)) {
    SandboxSettings settings;
    settings.qemu_img = VELOCITY_TAKEN_OVER_QEMU_IMG;
    settings.deadline = deadline;
    return settings;
  }

  fs::path order(const std::string& text) const {
    MadeImage(4096).put(1024, text).write(incoming("source"));
    return incoming("source");
  }

  std::string code_of_order(const std::string& text) {
    Volumes volumes(pool(), taken_over());
    const auto code = code_of_laundering(volumes, order(text), {ImageFormat::raw, 4096});
    expect_no_leftovers(volumes);
    EXPECT_TRUE(volumes.list().empty());
    return code;
  }
};

TEST_F(SandboxTest, shows_the_image_and_an_empty_directory_and_nothing_else) {
  fs::create_directory(incoming("out"));
  const int leaked = ::open("/etc/passwd", O_RDONLY);  // as a library might have it: not closed on exec
  ::setenv("VELOCITY_SECRET", "1", 1);
  std::string seen;
  const auto image = order("look");
  const auto end = Sandbox(taken_over()).run({.arguments = {"convert"}, .input = image, .output = incoming("out"), .file_bytes = 4096},
                                             [&](std::string_view text) { seen += text; });
  ::close(leaked);
  ::unsetenv("VELOCITY_SECRET");
  ASSERT_TRUE(end.success()) << end.errors;
  std::vector<std::string> unexpected;
  for (std::size_t at = 0; at < seen.size();) {
    const auto line = seen.substr(at, seen.find('\n', at) - at);
    at += line.size() + 1;
    static const std::set<std::string> kExpected{"root /usr", "root /lib", "root /lib64", "root /in", "root /out", "root /dev", "file /in/image",
                                                 "interface lo", "environment LC_ALL=C", "environment MALLOC_ARENA_MAX=2",
                                                 "environment PWD=/"};
    if (!kExpected.contains(line)) unexpected.push_back(line);
  }
  EXPECT_EQ(unexpected, std::vector<std::string>());
  EXPECT_NE(seen.find("file /in/image"), std::string::npos);
}

TEST_F(SandboxTest, a_result_that_is_no_plain_file_of_the_right_size_never_becomes_a_volume) {
  EXPECT_EQ(code_of_order("symlink"), "storage.failed");
  EXPECT_EQ(code_of_order("fifo"), "image.corrupt");
  EXPECT_EQ(code_of_order("directory"), "image.corrupt");
  EXPECT_EQ(code_of_order("two names"), "image.corrupt");
  EXPECT_EQ(code_of_order("shorter"), "image.corrupt");
  EXPECT_EQ(code_of_order("nothing"), "storage.failed");
  EXPECT_EQ(code_of_order("crash"), "storage.failed");
}

TEST_F(SandboxTest, a_result_with_a_backing_file_never_becomes_a_volume) {
  made_qcow2(3, 16, 1 << 20).put(1024, "overlay").write(incoming("source"));
  Volumes volumes(pool(), taken_over());
  EXPECT_EQ(code_of_laundering(volumes, incoming("source"), {ImageFormat::qcow2, 1 << 20}),
            "image.backing_file");
  expect_no_leftovers(volumes);
}

TEST_F(SandboxTest, a_file_that_grows_beyond_the_image_is_stopped) { EXPECT_EQ(code_of_order("fill"), "storage.full"); }

TEST_F(SandboxTest, a_process_left_behind_neither_delays_the_end_nor_lives_on) {
  Volumes volumes(pool(), taken_over());
  const auto id = model::ResourceId::random();
  EXPECT_EQ(volumes.launder(order("orphan"), {ImageFormat::raw, 4096}, id).virtual_size, 4096);
  EXPECT_TRUE(volumes.exists(id));
  const int source = ::open(incoming("source").c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(::flock(source, LOCK_EX), 0);  // waits for whoever holds it
  ::close(source);
}

TEST_F(SandboxTest, an_endless_computation_ends) {
  const auto image = order("spin");
  const auto end = Sandbox(taken_over()).run({.arguments = {"convert"}, .input = image, .cpu = std::chrono::seconds(1)});
  EXPECT_EQ(end.status, 128 + SIGXCPU);
}

TEST_F(SandboxTest, a_program_that_sticks_is_killed_at_the_deadline_and_leaves_nothing) {
  Volumes volumes(pool(), taken_over(std::chrono::milliseconds(500)));
  EXPECT_EQ(code_of_laundering(volumes, order("stick"), {ImageFormat::raw, 4096}), "storage.failed");
  expect_no_leftovers(volumes);
}

TEST_F(SandboxTest, of_an_endless_complaint_the_first_part_is_kept) {
  Volumes volumes(pool(), taken_over());
  try {
    volumes.launder(order("talk"), {ImageFormat::raw, 4096}, model::ResourceId::random());
    FAIL();
  } catch (const Error& error) {
    EXPECT_LT(error.detail().size(), 17u * 1024);
    EXPECT_NE(error.detail().find("a line of an error"), std::string::npos);
  }
}

TEST_F(SandboxTest, an_exception_from_progress_stops_the_work_and_leaves_nothing) {
  Volumes volumes(pool(), taken_over());
  const auto stop = [](int mille) {
    if (mille == 500) throw std::runtime_error("enough");
  };
  EXPECT_THROW(volumes.launder(order("stick"), {ImageFormat::raw, 4096}, model::ResourceId::random(), stop), std::runtime_error);
  EXPECT_TRUE(volumes.list().empty());
}

TEST_F(SandboxTest, a_child_killed_midway_leaves_nothing) {
  Volumes volumes(pool(), taken_over());
  const auto kill_child = [](int mille) {
    if (mille != 500) return;
    pid_t child = 0;
    std::ifstream("/proc/thread-self/children") >> child;
    ASSERT_GT(child, 1);
    ::kill(child, SIGKILL);
  };
  EXPECT_EQ(code_of([&] { volumes.launder(order("stick"), {ImageFormat::raw, 4096}, model::ResourceId::random(), kill_child); }),
            "storage.failed");
  expect_no_leftovers(volumes);
}

TEST_F(SandboxTest, what_a_killed_server_was_making_ends_with_it_and_is_swept_at_the_next_start) {
  const auto source = order("stick");
  const pid_t server = ::fork();
  if (server == 0) {
    try {
      Volumes volumes(pool(), taken_over());
      volumes.launder(source, {ImageFormat::raw, 4096}, model::ResourceId::random(), [](int mille) {
        if (mille == 500) ::kill(::getpid(), SIGKILL);
      });
    } catch (...) {
    }
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(server, &status, 0), server);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(fs::is_empty(pool() / ".work"));
  Volumes volumes(pool());
  EXPECT_TRUE(volumes.list().empty());
  expect_no_leftovers(volumes);
}

TEST_F(SandboxTest, without_a_working_bubblewrap_nothing_is_rewritten_and_the_cause_is_told) {
  MadeImage(4096).write(incoming("source"));
  for (const auto* bubblewrap : {"/usr/bin/false", "/nonexistent/bwrap"}) {
    SandboxSettings settings;
    settings.bubblewrap = bubblewrap;
    Volumes volumes(pool(), settings);
    try {
      volumes.launder(incoming("source"), {ImageFormat::raw, 4096}, model::ResourceId::random());
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(name(error.code()), "storage.failed");
      EXPECT_NE(error.detail().find("bubblewrap"), std::string::npos) << error.detail();
    }
    const auto empty = model::ResourceId::random();
    EXPECT_NO_THROW(volumes.create(empty, ImageFormat::qcow2, 4096)) << "which no program makes";
    EXPECT_EQ(code_of([&] { volumes.grow({{empty, ImageFormat::qcow2}}, 8192); }), "storage.failed");
    EXPECT_NO_THROW(volumes.remove(empty));
    expect_no_leftovers(volumes);
  }
}

// Tells whether anybody has opened a file since.
class OpenWatch {
 public:
  explicit OpenWatch(const fs::path& file) : inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    ::inotify_add_watch(inotify_, file.c_str(), IN_OPEN | IN_ACCESS | IN_MODIFY);
  }
  OpenWatch(const OpenWatch&) = delete;
  OpenWatch& operator=(const OpenWatch&) = delete;
  ~OpenWatch() { ::close(inotify_); }

  bool opened() const {
    char event[4096];
    return ::read(inotify_, event, sizeof event) > 0;
  }

 private:
  int inotify_;
};

TEST_F(SandboxTest, a_file_that_an_image_names_is_not_opened_by_the_server_nor_by_a_qemu_img_behind_the_walls) {
  const auto victim = incoming("victim");
  std::ofstream(victim) << "secret";
  const OpenWatch watch(victim);
  fs::create_directory(incoming("out"));
  const auto json = R"(json:{"driver":"raw","file":{"driver":"file","filename":")" + victim.string() + R"("}})";
  for (const auto& name : {victim.string(), json, "fat:" + directory_.path().string(), "../in/../.." + victim.string()}) {
    const auto image = incoming("image");
    with_backing_file(name).write(image);
    Volumes volumes(pool());
    EXPECT_EQ(code_of_laundering(volumes, image, {ImageFormat::qcow2, 1 << 20}), "image.backing_file");
    // And if the inspector had not been there:
    Sandbox sandbox({});
    const auto end = sandbox.run({.arguments = {"convert", "-f", "qcow2", "-O", "raw", "/in/image", "/out/volume"},
                                  .input = image, .output = incoming("out"), .file_bytes = 1 << 20});
    EXPECT_NE(end.status, 0) << name;
  }
  EXPECT_FALSE(watch.opened());
  read_file(victim);
  EXPECT_TRUE(watch.opened()) << "the watch does not work";
}

}  // namespace
}  // namespace velocity::storage::test
