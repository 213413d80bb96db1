// Finds out whether KVM really runs guests. Included by this room's probe of the host.
#pragma once

#include <string>

namespace velocity::libvirt {

struct KvmVerdict {
  bool works = false;
  bool accessible = true;  // false: /dev/kvm is there but not for us, so another user's QEMU may still have it
  std::string why_not;     // a sentence; empty when it works
};

// /dev/kvm may exist, and libvirt may list KVM, while no guest ever gets anywhere (nested or emulated hardware). So a few instructions of
// a 64-bit guest are run, in a child process that is killed when they take longer than 200 ms; a stuck one cannot take the server with it.
// Blocks for about a second at worst. Safe in a process with threads: the child makes system calls only.
KvmVerdict probe_kvm();

}  // namespace velocity::libvirt
