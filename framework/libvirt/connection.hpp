// What stands behind a Host: the connection that comes and goes, and the thread that follows it. Included by this room only.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "framework/libvirt/call_pool.hpp"
#include "framework/libvirt/host.hpp"
#include "framework/libvirt/lender.hpp"
#include "framework/libvirt/notices.hpp"
#include "framework/libvirt/session.hpp"
#include "framework/libvirt/shapes.hpp"

namespace velocity::libvirt {

// One thread connects, listens and reconnects, and is the only one to call the Listener. libvirt itself is only ever called on the
// threads of two pools: `calls_` for what services ask, `upkeep_` for connecting, listing and closing, so that neither starves the other.
class Host::Connection {
 public:
  Connection(HostSettings settings, Listener& listener);
  ~Connection();

  const HostSettings& settings() const { return settings_; }
  bool embedded() const { return settings_.uri.empty(); }
  bool connected() const;
  std::string why_disconnected() const;
  HostFacts facts();
  unsigned long long calls() const { return *count_; }
  ValidatedShapes& validated() { return validated_; }

  // Runs work(Session&) under the deadline. The work must own what it uses.
  template <class Work>
  auto call(Work work) {
    return call_within(settings_.deadline, std::move(work));
  }

  template <class Work>
  auto call_within(std::chrono::milliseconds deadline, Work work) {
    auto& pool = deadline > settings_.deadline ? long_calls_ : calls_;
    return pool.run(deadline, [lender = lender(), work = std::move(work)] { return lender->with(work); });
  }

 private:
  // Shared with the pool's thread that probes, which may outlive this.
  struct Facts {
    std::mutex mutex;
    std::condition_variable known;
    std::optional<HostFacts> value;
    std::optional<model::Error> failure;  // of the last probe
    bool closing = false;
    int asking = 0;  // who waits for them
  };
  using Seen = std::map<model::MachineId, model::MachineState>;

  // One time of being connected. Only the thread uses `session`, for one thing at a time; calls borrow from the lender.
  struct Link {
    std::shared_ptr<Session> session;
    std::shared_ptr<Notices> notices;
    std::shared_ptr<Lender> lender;
  };

  std::shared_ptr<Lender> lender() const;  // throws hypervisor_unavailable
  void run();
  std::optional<Link> open();
  void follow(const Link& link);
  void take_up(const Link& link, const std::vector<DomainState>& domains);
  void lose(const std::string& why);
  void let_go(Link link);
  void tell(const Link& link, const Notice& notice);
  void look_again(const Link& link, model::MachineId id);
  void compare(const Link& link);
  void check_daemon(const Link& link);
  void report(const DomainState& domain);
  void report_removed(model::MachineId id);
  void probe(const Link& link);

  template <class Work>
  auto ask(const Link& link, Work work) -> std::optional<std::invoke_result_t<Work, Session&>>;

  const HostSettings settings_;
  Listener& listener_;
  const std::shared_ptr<CallCount> count_ = std::make_shared<CallCount>(0);
  ValidatedShapes validated_;
  const std::shared_ptr<Facts> facts_ = std::make_shared<Facts>();
  Seen seen_;           // what the listener was last told; the thread's own
  bool tried_ = false;  // whether a connection has failed before; the thread's own

  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::shared_ptr<Lender> lender_;    // null: not connected
  std::shared_ptr<Notices> notices_;  // of the session that is open or being opened
  std::string why_ = "not connected yet";

  CallPool upkeep_;  // before calls_: what calls leave behind is closed here
  CallPool calls_;
  CallPool long_calls_;  // whole disks and snapshots of memory: that one takes minutes says nothing of the others
  std::thread thread_;
};

}  // namespace velocity::libvirt
