// Programs run to their end, whatever end that is.
#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "framework/process/program.hpp"

namespace velocity::process::test {
namespace {

using namespace std::chrono_literals;

Program shell(const std::string& script, std::chrono::milliseconds deadline = 1min, std::vector<std::string> environment = {}) {
  return Program({"/bin/sh", "-c", script}, std::move(environment), deadline);
}

std::string output_of(const Program& program) {
  std::string output;
  program.run([&](std::string_view text) { output += text; });
  return output;
}

// Whether it is there and no zombie, which an orphan may stay for a while.
bool runs(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);
  return stat.size() > stat.rfind(')') + 2 && stat[stat.rfind(')') + 2] != 'Z';
}

TEST(Program, gives_its_output_its_errors_and_its_status) {
  std::string output;
  const auto end = shell("echo out; echo err >&2; exit 3").run([&](std::string_view text) { output += text; });
  EXPECT_EQ(output, "out\n");
  EXPECT_EQ(end.errors, "err\n");
  EXPECT_EQ(end.status, 3);
  EXPECT_FALSE(end.success());
}

TEST(Program, that_is_absent_ends_with_127) {
  const auto end = Program({"/nonexistent/program"}, {}, 1min).run();
  EXPECT_FALSE(end.started);
  EXPECT_EQ(end.status, 127);
  EXPECT_NE(end.errors.find("/nonexistent/program"), std::string::npos);
}

TEST(Program, that_ends_with_127_was_started) { EXPECT_TRUE(shell("exit 127").run().started); }

TEST(Program, that_a_signal_ends_has_its_number) {
  const auto end = shell("kill -TERM $$").run();
  EXPECT_EQ(end.signal, SIGTERM);
  EXPECT_EQ(end.status, 128 + SIGTERM);
  EXPECT_EQ(shell("exit 143").run().signal, 0);
}

TEST(Program, loses_no_output_however_much_it_is) { EXPECT_EQ(output_of(shell("head -c 3000000 /dev/zero")).size(), 3000000u); }

TEST(Program, keeps_only_the_first_errors) { EXPECT_EQ(shell("head -c 3000000 /dev/zero >&2").run().errors.size(), Program::kMaxErrors); }

TEST(Program, sees_the_environment_that_it_is_given_and_no_other) {
  EXPECT_EQ(output_of(Program({"/usr/bin/env"}, {"A=1"}, 1min)), "A=1\n");
}

TEST(Program, inherits_no_descriptor) {
  const int leaked = ::open("/dev/null", O_RDONLY);
  EXPECT_EQ(output_of(Program({"/usr/bin/readlink", "/proc/self/fd/" + std::to_string(leaked)}, {}, 1min)), "");
  EXPECT_NE(output_of(Program({"/usr/bin/readlink", "/proc/self/fd/0"}, {}, 1min)), "");
  ::close(leaked);
}

TEST(Program, reads_nothing_from_us) { EXPECT_EQ(output_of(shell("cat; echo end")), "end\n"); }

TEST(Program, has_no_signal_blocked_or_ignored_by_us) {
  sigset_t blocked, before;
  sigfillset(&blocked);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  const auto output = output_of(Program({"/bin/grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"}, {}, 1min));
  ::signal(SIGPIPE, old);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const auto set = [&output](const std::string& what) { return std::stoull(output.substr(output.find(what) + what.size()), nullptr, 16); };
  EXPECT_EQ(set("SigBlk:\t"), 0u);
  EXPECT_EQ(set("SigIgn:\t") & 0x7fffffff, 0u);  // beyond stand two signals of glibc's own
}

TEST(Program, and_its_children_are_killed_at_the_deadline) {
  const auto end = shell("sleep 1000 & sleep 1000", 200ms).run();
  EXPECT_TRUE(end.timed_out);
  EXPECT_FALSE(end.success());
  EXPECT_EQ(end.status, 128 + SIGKILL);
}

TEST(Program, that_never_stops_talking_is_killed_at_the_deadline) {
  EXPECT_TRUE(shell("cat /dev/zero", 200ms).run([](std::string_view) {}).timed_out);
  EXPECT_TRUE(shell("cat /dev/zero >&2", 200ms).run().timed_out);
}

TEST(Program, that_has_closed_its_pipes_is_killed_at_the_deadline_all_the_same) {
  EXPECT_TRUE(shell("exec >&- 2>&-; sleep 1000", 200ms).run().timed_out);
}

TEST(Program, ends_when_it_ends_and_leaves_no_child) {
  std::string pid;
  const auto end = shell("sleep 1000 & echo $!").run([&](std::string_view text) { pid += text; });
  EXPECT_TRUE(end.success());
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (runs(std::stoi(pid)) && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(runs(std::stoi(pid)));
}

TEST(Program, is_killed_when_the_reader_throws) {
  std::string pid;
  EXPECT_THROW(shell("echo $$; exec sleep 1000").run([&](std::string_view text) {
    pid = text;
    throw std::runtime_error("enough");
  }),
               std::runtime_error);
  EXPECT_EQ(::kill(std::stoi(pid), 0), -1) << "it is there still";
}

TEST(Program, leaves_the_children_of_others_alone) {
  const pid_t other = ::fork();
  if (other == 0) ::_exit(42);
  shell("true").run();
  int status = 0;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST(Program, runs_from_many_threads_at_once) {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round)
        if (output_of(shell("echo " + std::to_string(i))) == std::to_string(i) + "\n") ++right;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 160);
}

}  // namespace
}  // namespace velocity::process::test
