// Keeps a daemon that dies from taking this process with it. Included by what makes this room's threads.
#pragma once

#include <csignal>

namespace velocity::libvirt {

// libvirt's client writes to its sockets without guarding against SIGPIPE. First thing in every thread that may call libvirt: the signal
// goes to the thread that wrote, and stays pending there. The rest of the process keeps its own way with it.
inline void block_broken_pipe_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace velocity::libvirt
