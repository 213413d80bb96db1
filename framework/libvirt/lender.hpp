// Lends sessions to calls. Included by this room's connection only.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "framework/libvirt/session.hpp"

namespace velocity::libvirt {

// libvirt's client for daemons, before 10.3, crashes when two threads use one connection at once: the thread that waits for its answer is
// woken by the other and leaves a pointer to its stack in the connection's event loop (CVE-2024-4418; Debian 12 has it). So each call to a
// daemon has a connection of its own while it lasts, and they are kept for the next ones. Drivers inside this process need no such care.
//
// One Lender for each time that the host is connected. Threads: any; with() blocks as libvirt does.
class Lender {
 public:
  Lender(std::string uri, std::shared_ptr<Session> listening, std::shared_ptr<Notices> notices, std::shared_ptr<CallCount> calls);

  template <class Work>
  auto with(const Work& work) {
    if (!listening_->has_daemon()) return work(*listening_);
    const Loan loan{*this, take()};
    return work(*loan.session);
  }

  // No session is kept any more. Gives back those that were idle: closing them blocks.
  std::vector<std::shared_ptr<Session>> close();

 private:
  struct Loan {
    ~Loan() { lender.put(std::move(session)); }
    Lender& lender;
    std::shared_ptr<Session> session;
  };

  std::shared_ptr<Session> take();
  void put(std::shared_ptr<Session> session);

  const std::string uri_;
  const std::shared_ptr<Session> listening_;
  const std::shared_ptr<Notices> notices_;
  const std::shared_ptr<CallCount> calls_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Session>> idle_;
  bool closed_ = false;
};

}  // namespace velocity::libvirt
