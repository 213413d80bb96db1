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
#include "framework/libvirt/notices.hpp"
#include "framework/libvirt/session.hpp"

namespace velocity::libvirt {

// One thread connects, listens and reconnects, and is the only one to call the Listener. libvirt itself is only ever called on the
// threads of two pools: `calls_` for what services ask, `upkeep_` for connecting, listing and closing, so that neither starves the other.
class Host::Connection {
 public:
  Connection(HostSettings settings, Listener& listener);
  ~Connection();

  const HostSettings& settings() const { return settings_; }
  bool connected() const;
  std::string why_disconnected() const;
  HostFacts facts();
  unsigned long long calls() const { return *count_; }

  // Runs work(Session&) under the deadline. The work must own what it uses.
  template <class Work>
  auto call(Work work) {
    return calls_.run(settings_.deadline, [session = session(), work = std::move(work)] { return work(*session); });
  }

 private:
  // Shared with the pool's thread that probes, which may outlive this.
  struct Facts {
    std::mutex mutex;
    std::condition_variable known;
    std::optional<HostFacts> value;
    std::optional<model::Error> failure;  // of the last probe
    bool closing = false;
  };
  using Seen = std::map<model::MachineId, model::MachineState>;

  std::shared_ptr<Session> session() const;  // throws hypervisor_unavailable
  bool embedded() const { return settings_.uri.empty(); }
  void run();
  std::shared_ptr<Session> open();
  void let_go(std::shared_ptr<Session> session);
  void follow(const std::shared_ptr<Session>& session);
  void take_up(const std::shared_ptr<Session>& session, const std::vector<DomainState>& domains);
  void lose(const std::string& why);
  void tell(const std::shared_ptr<Session>& session, const Notice& notice);
  void look_again(const std::shared_ptr<Session>& session, model::MachineId id);
  void compare(const std::shared_ptr<Session>& session);
  void report(const DomainState& domain);
  void report_removed(model::MachineId id);
  void probe(const std::shared_ptr<Session>& session);

  const HostSettings settings_;
  Listener& listener_;
  const std::shared_ptr<CallCount> count_ = std::make_shared<CallCount>(0);
  const std::shared_ptr<Facts> facts_ = std::make_shared<Facts>();
  Seen seen_;  // what the listener was last told; the thread's own

  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::shared_ptr<Session> session_;    // null: not connected
  std::shared_ptr<Notices> notices_;    // of the session that is open or being opened
  std::string why_ = "not connected yet";

  CallPool upkeep_;
  CallPool calls_;
  std::thread thread_;
};

}  // namespace velocity::libvirt
