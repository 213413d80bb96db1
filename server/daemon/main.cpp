// velocityd: reads the configuration, makes the daemon, tells the person at the terminal what to do next, and waits for the end.
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "framework/model/error.hpp"
#include "server/daemon/config.hpp"
#include "server/daemon/daemon.hpp"
#include "server/daemon/first_start.hpp"

namespace {

using namespace velocity;

constexpr int kBadConfiguration = 2;
constexpr std::chrono::seconds kLastPatience{5};

// The signals that end the server, held back from every thread: main waits for them.
sigset_t hold_back_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t ending;
  sigemptyset(&ending);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ending, number);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  return ending;
}

void greet(const daemon::Daemon& server, const daemon::RootPassword& root) {
  for (const auto& report : server.plugins().plugins())
    if (report.status == "refused") fmt::print("Plugin {}\n", plugin::line_of(report));
  fmt::print("velocityd {} answers at {}\n", daemon::server_version(), server.url());
  const bool show = server.first_start() && root.generated;
  if (show) fmt::print("The user root was made. Its password, shown this once: {}\n", root.text);
  else if (server.first_start()) fmt::print("The user root was made, with the password that you gave\n");
  fmt::print("Sign in:\n  curl -s {}/u/auth -d '{{\"username\": \"root\", \"password\": \"{}\"}}'\n", server.url(),
             show ? root.text : "<password>");
  std::fflush(stdout);
}

// A worker may be inside a call that cannot be cut short. What is acknowledged is on disk, so nothing is lost by not waiting for it:
// neither beyond the patience nor after a second signal.
void bound_the_end(const sigset_t& ending, std::chrono::seconds patience) {
  std::thread([ending, patience] {
    const timespec time{patience.count(), 0};
    sigtimedwait(&ending, nullptr, &time);
    spdlog::warn("a request does not end; the server ends without it");
    std::_Exit(EXIT_SUCCESS);
  }).detach();
}

int serve(const daemon::Settings& settings) {
  const sigset_t ending = hold_back_signals();
  const auto root = daemon::take_root_password(settings);
  daemon::Daemon server(settings, root.text);
  greet(server, root);
  if (!settings.ready_file.empty()) daemon::write_ready_file(settings.ready_file, server.url());
  // To the service manager, if there is one. Its socket's name goes out of the environment, so that no guest is given it.
  sd_notify(1, fmt::format("READY=1\nSTATUS=Answers at {}", server.url()).c_str());
  int number = 0;
  sigwait(&ending, &number);
  bound_the_end(ending, std::chrono::seconds(settings.drain_seconds) + kLastPatience);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  // libvirt would print among what we tell the person; its errors come to us with each call. Whoever has set it otherwise keeps that.
  ::setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", 0);
  ::umask(077);
  try {
    std::string text;
    const auto settings = daemon::read_configuration(argc, argv, daemon::server_version(), text);
    if (settings) return serve(*settings);
    fmt::print("{}", text);
    return EXIT_SUCCESS;
  } catch (const daemon::ConfigError& error) {
    fmt::print(stderr, "velocityd: {}\n", error.what());
    return kBadConfiguration;
  } catch (const std::exception& error) {
    fmt::print(stderr, "velocityd: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
