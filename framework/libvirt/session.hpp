// One open connection to libvirt and what is asked of it. Included by this room's connection and its probe of the host.
#pragma once

#include <libvirt/libvirt.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "framework/libvirt/event_loop.hpp"
#include "framework/libvirt/host.hpp"
#include "framework/libvirt/notices.hpp"

namespace velocity::libvirt {

struct FreeDomain {
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
};
using Domain = std::unique_ptr<virDomain, FreeDomain>;

using CallCount = std::atomic<unsigned long long>;

// Every function blocks for as long as libvirt does, which can be for ever: call them on a CallPool, the constructor and the destructor
// too. Threads: any, but with a daemon behind it only one at a time; why is said in lender.hpp. Errors: model::Error as said in host.hpp. A
// failure that ends the connection is put into the notices as well.
class Session {
 public:
  enum class Role { listening, calling };

  // Opens and, to listen, registers for events, so that nothing that happens after the first list() is missed. libvirt's own keep-alive is
  // not used: it is a second thread on the connection.
  Session(const std::string& uri, Role role, std::shared_ptr<Notices> notices, std::shared_ptr<CallCount> calls);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void define(const std::string& xml);
  void rehearse(const std::string& xml);
  void undefine(model::MachineId id);
  void start(model::MachineId id);
  void shutdown(model::MachineId id);
  void destroy(model::MachineId id);
  void suspend(model::MachineId id);
  void resume(model::MachineId id);
  model::Runtime state(model::MachineId id);
  std::vector<DomainState> list();
  std::string domain_xml(model::MachineId id);
  std::string capabilities();
  std::string driver();  // QEMU, TEST, …

  void ping();   // asks the daemon for anything; is not counted
  bool alive();  // false: the connection has ended; asks nobody
  bool has_daemon() const { return daemon_; }

 private:
  struct CloseConnection {
    void operator()(virConnectPtr connection) const { virConnectClose(connection); }
  };

  void register_callbacks();
  // Hold the result in a variable: freeing a domain forgets the last error.
  Domain get_domain(model::MachineId id);
  std::vector<DomainState> list_one_by_one();
  virConnectPtr counted();
  virDomainPtr counted(const Domain& domain);
  [[noreturn]] void fail(const char* call);

  std::shared_ptr<EventLoop> loop_;
  std::shared_ptr<Notices> notices_;
  std::shared_ptr<CallCount> calls_;
  std::unique_ptr<virConnect, CloseConnection> connection_;
  bool daemon_ = false;
  int lifecycle_callback_ = -1;
  bool close_callback_ = false;
};

}  // namespace velocity::libvirt
