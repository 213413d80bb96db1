#include "server/daemon/settings.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>

namespace velocity::daemon {
namespace {

using S = Settings;

const std::array kSettings{
    Setting{"state.directory", "--state", "DIR", "where everything is kept (default: /var/lib/velocity, or ~/.local/state/velocity)",
            &S::state},
    Setting{"state.ready_file", "--ready-file", "FILE", "written once requests are answered: JSON with `url` and `pid`", &S::ready_file},
    Setting{"users.root_password_file", "--root-password-file", "FILE",
            "root's password at the first start, instead of a random one (also the variable VELOCITY_ROOT_PASSWORD)",
            &S::root_password_file},
    Setting{"users.session_hours", nullptr, "HOURS", "how long an authkey lives", &S::session_hours, 1, 24 * 365},

    Setting{"http.listen", "--listen", "ADDRESS:PORT", "where clients connect; port 0 takes any that is free", &S::listen},
    Setting{"http.tls_certificate", nullptr, "FILE", "PEM, with its chain; TLS is spoken when this and tls_key are given",
            &S::tls_certificate},
    Setting{"http.tls_key", nullptr, "FILE", "PEM, the certificate's private key", &S::tls_key},
    Setting{"http.trusted_proxy", nullptr, "BOOL", "a reverse proxy stands before the server and adds X-Forwarded-For", &S::trusted_proxy},
    Setting{"http.hosts", nullptr, "NAMES", "further names under which the server may be called", &S::hosts},
    Setting{"http.origins", nullptr, "ORIGINS", "web pages from elsewhere that may call the server, such as https://console.example.org",
            &S::origins},
    Setting{"http.workers", nullptr, "NUMBER", "requests that are worked on at once", &S::workers, 16, 256},

    Setting{"limits.body_kib", nullptr, "KIB", "size of a request, images apart", &S::body_kib, 16, 16 * 1024},
    Setting{"limits.connections", nullptr, "NUMBER", "clients connected at once", &S::connections, 1, 1'000'000},
    Setting{"limits.queue", nullptr, "NUMBER", "requests waiting for a worker", &S::queue, 0, 1'000'000},
    Setting{"limits.uploads", nullptr, "NUMBER", "images on their way in at once", &S::uploads, 1, 10'000},
    Setting{"limits.upload_gib", nullptr, "GIB", "size of one image", &S::upload_gib, 1, 1'048'576},

    Setting{"timeouts.header_seconds", nullptr, "SECONDS", "for a request's header to arrive", &S::header_seconds, 1, 3600},
    Setting{"timeouts.body_seconds", nullptr, "SECONDS", "between two arrivals of a request's body", &S::body_seconds, 1, 3600},
    Setting{"timeouts.idle_seconds", nullptr, "SECONDS", "between two requests of a client", &S::idle_seconds, 1, 86'400},
    Setting{"timeouts.handler_seconds", nullptr, "SECONDS", "for a request to be answered", &S::handler_seconds, 61, 3600},
    Setting{"timeouts.drain_seconds", nullptr, "SECONDS", "for requests in flight when the server stops", &S::drain_seconds, 0, 3600},

    Setting{"hypervisor.uri", "--hypervisor", "URI", "a libvirt URI, such as qemu:///system (default: QEMU, run by this server itself)",
            &S::hypervisor},
    Setting{"hypervisor.acceleration", "--accel", "auto|kvm|tcg", "how guests are run", &S::acceleration, 0, 0, {"auto", "kvm", "tcg"}},
    Setting{"hypervisor.deadline_seconds", nullptr, "SECONDS", "for one call of libvirt", &S::deadline_seconds, 1, 3600},

    Setting{"network.default_route_interfaces", nullptr, "NAMES", "interfaces that guests may be bridged to although the host's default route leads through them",
            &S::default_route_interfaces},
    Setting{"network.further_kinds", nullptr, "KINDS", "kinds of virtual interfaces that guests may be bridged to as to a network card, such as vlan",
            &S::further_kinds},

    Setting{"plugins.directories", "--plugins", "DIR", "where the plugins are (default: beside the program)", &S::plugin_directories},
    Setting{"plugins.drop_ins", nullptr, "DIR", "plugins.d directories, the last wins (default: the installation's and /etc/velocity/plugins.d)", &S::drop_in_directories},
    Setting{"plugins.disabled", nullptr, "NAMES", "plugins that are not loaded", &S::disabled_plugins},

    Setting{"log.level",
            "--log-level",
            "LEVEL",
            "trace, debug, info, warning or error",
            &S::log_level,
            0,
            0,
            {"trace", "debug", "info", "warning", "error"}},
};

}  // namespace

std::span<const Setting> all_settings() { return kSettings; }

std::filesystem::path default_state_directory() {
  if (::geteuid() == 0) return "/var/lib/velocity";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/') return std::filesystem::path(state) / "velocity";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home && *home == '/' ? home : "/tmp") / ".local/state/velocity";
}

}  // namespace velocity::daemon
