// One open connection to libvirt and what is asked of it. Included by this room's connection and its probe of the host.
#pragma once

#include <libvirt/libvirt.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/libvirt/event_loop.hpp"
#include "framework/libvirt/host.hpp"
#include "framework/libvirt/notices.hpp"
#include "framework/libvirt/storage_pools.hpp"

namespace velocity::libvirt {

struct FreeDomain {
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
};
using Domain = std::unique_ptr<virDomain, FreeDomain>;

struct FreeSnapshot {
  void operator()(virDomainSnapshotPtr snapshot) const { virDomainSnapshotFree(snapshot); }
};
using DomainSnapshot = std::unique_ptr<virDomainSnapshot, FreeSnapshot>;

std::optional<model::MachineId> id_of(virDomainPtr domain);

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

  void define(const std::string& xml, bool validate);  // against libvirt's schema
  void rehearse(const std::string& xml);
  void undefine(model::MachineId id);
  void start(model::MachineId id, unsigned flags = 0);  // of VIR_DOMAIN_START_…
  void shutdown(model::MachineId id);
  void destroy(model::MachineId id);
  void suspend(model::MachineId id);
  void resume(model::MachineId id);
  model::Runtime state(model::MachineId id);
  std::vector<DomainState> list();
  std::string domain_xml(model::MachineId id);
  std::vector<HostBridge> bridges();

  // session_devices.cpp
  void attach_device(model::MachineId id, const std::string& xml);
  void detach_device(model::MachineId id, const std::string& xml);
  void update_device(model::MachineId id, const std::string& xml);
  void resize_block(model::MachineId id, const std::string& disk, std::uint64_t bytes);

  // session_snapshots.cpp
  void take_snapshot(model::MachineId id, const std::string& name);
  bool has_snapshot(model::MachineId id, const std::string& name);
  void revert_to_snapshot(model::MachineId id, const std::string& name);
  void remove_snapshot(model::MachineId id, const std::string& name);

  // session_watch.cpp
  std::vector<DomainCounters> counters();
  std::string screenshot(model::MachineId id, unsigned screen);  // PNG

  // session_storage.cpp
  std::vector<StoragePool> storage_pools();
  void create_volume(const std::string& pool, const NewVolume& volume);
  void remove_volume(const std::string& pool, const std::string& name);
  bool has_volume(const std::string& pool, const std::string& name);
  void resize_volume(const std::string& pool, const std::string& name, const std::string& format, std::uint64_t capacity);
  void upload_volume(const std::string& pool, const std::string& name, const std::filesystem::path& from);
  void download_volume(const std::string& pool, const std::string& name, const std::filesystem::path& to, std::uint64_t most);

  std::string capabilities();
  std::string domain_capabilities(const std::string& emulator, const std::string& arch, const std::string& machine, const std::string& domain_type);
  std::string driver();  // QEMU, TEST, …

  void ping();   // asks the daemon for anything; is not counted
  bool alive();  // false: the connection has ended; asks nobody
  bool has_daemon() const { return daemon_; }

 private:
  struct CloseConnection {
    void operator()(virConnectPtr connection) const { virConnectClose(connection); }
  };

  void register_callbacks();
  void register_for_devices();
  // Hold the result in a variable: freeing a domain forgets the last error.
  Domain get_domain(model::MachineId id);
  DomainSnapshot find_snapshot(const Domain& domain, const std::string& name);  // null: there is none
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
  int device_callback_ = -1;
  bool close_callback_ = false;
};

}  // namespace velocity::libvirt
