// libvirt's event loop and the thread that turns it. Included by this room's sessions only.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

namespace velocity::libvirt {

// libvirt has one event loop a process: virEventRegisterDefaultImpl() installs it for good, and everything in libvirt that listens (the
// embedded driver's monitors, remote connections, keep-alives) uses it. So several hosts must share one thread, and this class is the
// one place of the project with process-wide state: it is forced by libvirt, and hidden behind a shared_ptr so that the thread ends
// with its last user.
class EventLoop {
 public:
  static std::shared_ptr<EventLoop> shared();  // running; registered before any connection is opened

  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

 private:
  EventLoop();

  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace velocity::libvirt
