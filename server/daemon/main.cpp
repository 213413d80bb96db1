// velocityd: reads the configuration, makes the daemon, tells the person at the terminal what to do next, and waits for the end.
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <memory>
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

void greet(const daemon::Daemon& server, const daemon::Settings& settings, const daemon::RootPassword& root) {
  for (const auto& report : server.plugins().plugins())
    if (report.status == "refused") fmt::print("Plugin {}\n", plugin::line_of(report));
  fmt::print("velocityd {} answers at {}\n", daemon::server_version(), server.url());
  const bool made = server.first_start() && root.generated;
  const auto told = made ? daemon::tell_password(server.state(), root.text) : std::string();
  if (made) fmt::print("The user root was made. {}\n", told);
  else if (server.first_start()) fmt::print("The user root was made, with the password that you gave\n");
  else if (!settings.root_password_file.empty())
    fmt::print("root's password is as it was: --root-password-file counts at the first start. velocityd --reset-root-password sets one that was lost\n");
  const bool shown = told.find(root.text) != std::string::npos;
  fmt::print("Sign in:\n  curl -s {}/u/auth -d '{{\"username\": \"root\", \"password\": \"{}\"}}'\n", server.url(), made && shown ? root.text : "<password>");
  std::fflush(stdout);
}

// Waits for the signal that ends the server, from the beginning on. One that comes while the server is still starting ends it there and then: what is
// begun is mended by the next start, as after any other end. Once it serves, requests in flight are waited for: a worker may be inside a call that
// cannot be cut short, but what is acknowledged is on disk, so nothing is lost by not waiting beyond the patience nor after a second signal.
class Ending {
 public:
  Ending(const sigset_t& ending, std::chrono::seconds patience) {
    std::thread([ending, patience, state = state_] {
      int number = 0;
      sigwait(&ending, &number);
      if (!state->serving) {
        fmt::print(stderr, "velocityd: ended before it answered\n");
        std::_Exit(EXIT_SUCCESS);
      }
      state->asked.set_value();
      const timespec time{patience.count(), 0};
      sigtimedwait(&ending, nullptr, &time);
      spdlog::warn("a request does not end; the server ends without it");
      std::_Exit(EXIT_SUCCESS);
    }).detach();
  }
  void serves() { state_->serving = true; }
  void wait() { state_->asked.get_future().wait(); }

 private:
  struct State {
    std::atomic<bool> serving = false;
    std::promise<void> asked;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

int serve(const daemon::Settings& settings) {
  Ending ending(hold_back_signals(), std::chrono::seconds(settings.drain_seconds) + kLastPatience);
  const auto root = daemon::take_root_password(settings);
  daemon::try_settings(settings);
  daemon::Daemon server(settings, root);
  ending.serves();
  greet(server, settings, root);
  if (!settings.ready_file.empty()) daemon::write_ready_file(settings.ready_file, server.url());
  // To the service manager, if there is one. Its socket's name goes out of the environment, so that no guest is given it.
  sd_notify(1, fmt::format("READY=1\nSTATUS=Answers at {}", server.url()).c_str());
  ending.wait();
  return EXIT_SUCCESS;
}

int reset(const daemon::Settings& settings) {
  const auto root = daemon::take_root_password(settings);
  daemon::reset_root_password(settings, root.text);
  if (root.generated) {
    daemon::keep_password(settings.state, root.text);
    fmt::print("root has another password. {}\n", daemon::tell_password(settings.state, root.text));
  }
  else fmt::print("root has the password that you gave\n");
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
    if (settings) return settings->reset_root_password ? reset(*settings) : serve(*settings);
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
