// One hypervisor host behind a libvirt URI: its connection, its domains, its events. Included by the services.
// Who wants domain XML needs domain_xml.hpp; nobody outside this room sees a libvirt type.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "framework/libvirt/counters.hpp"
#include "framework/libvirt/devices.hpp"
#include "framework/model/error.hpp"
#include "framework/model/machine.hpp"
#include "framework/model/uuid.hpp"

namespace velocity::libvirt {

enum class Acceleration { automatic, kvm, tcg };

struct HostSettings {
  std::string name = "local";
  std::string uri{};                      // empty: the embedded driver under `root`
  std::filesystem::path root{};           // absolute; the embedded driver's state (<state>/libvirt)
  std::filesystem::path run_directory{};  // absolute, 0700: sockets that QEMU makes
  Acceleration acceleration = Acceleration::automatic;
  std::chrono::milliseconds deadline{30'000};  // for one libvirt call
};

// What plugins and domain XML need to know of a host. Probed once per connection, in the background.
struct HostFacts {
  std::string arch;          // x86_64
  std::string domain_type;   // kvm, qemu or test
  std::string acceleration;  // kvm or tcg
  std::string why_no_kvm;    // empty when KVM works
  std::string emulator;      // path of QEMU; empty for test:///
  bool embedded = false;
  int most_processors = 0;  // that a machine can have; 0: the hypervisor does not say
};

struct DomainState {
  model::MachineId id;
  model::Runtime runtime;
};

// A bridge of a libvirtd's host.
struct HostBridge {
  std::string name;
  std::string mac;  // empty when it is not known
  bool up = false;
};

// Told what happens on a host. Called on the room's own threads, never two calls at once for one host; must not block and must not
// call back into the Host.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void connected(const std::vector<DomainState>& domains) = 0;  // the whole truth, after every (re)connect
  virtual void disconnected(const std::string& why) = 0;
  virtual void changed(const DomainState& domain) = 0;
  virtual void removed(model::MachineId id) = 0;
  virtual void host_devices_changed() {}  // a libvirtd's host has more or fewer of them: ask bridges() again
};

// Threads: every function may be called from any thread; each blocks for at most the deadline.
// Errors: model::Error with hypervisor_unavailable (not connected now), hypervisor_timeout (deadline; the call may still take effect),
// hypervisor_not_found, hypervisor_wrong_state, hypervisor_refused (libvirt rejects the XML), hypervisor_failed. libvirt's own text is in
// detail().
class Host {
 public:
  // Connects in the background and keeps reconnecting with back-off until destroyed. The listener must outlive the Host.
  Host(HostSettings settings, Listener& listener);
  ~Host();  // closes the connection; guests run on
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const std::string& name() const;
  bool connected() const;
  std::string why_disconnected() const;  // empty when connected
  HostFacts facts();  // blocks (within the deadline) until the first probe is done; once connected, what was known stays known
  unsigned long long calls() const;  // libvirt calls made so far; reads of the API must not move it

  void define(const std::string& domain_xml);  // validates against libvirt's schema
  void rehearse(const std::string& domain_xml);  // whether the driver could make a guest of it; defines nothing
  void undefine(model::MachineId id);          // with NVRAM and snapshot metadata; absent is success
  void start(model::MachineId id);
  void start_paused(model::MachineId id);  // not an instruction of the guest has run
  void shutdown(model::MachineId id);  // asks the guest by ACPI
  void destroy(model::MachineId id);   // at once; not running is success
  void suspend(model::MachineId id);
  void resume(model::MachineId id);
  model::Runtime state(model::MachineId id);
  std::vector<DomainState> list();
  std::string domain_xml(model::MachineId id);
  std::vector<HostBridge> bridges();  // that a libvirtd's interface driver knows; none where the host has no such driver

  // Of a running machine; what it has at its next start is define()'s. The XML of a device is device_xml()'s (domain_xml.hpp) or
  // devices()'s. All but attaching leave what cannot be done as it is: hypervisor_refused, hypervisor_failed.
  std::vector<Device> devices(model::MachineId id);
  void attach_device(model::MachineId id, const std::string& device_xml);
  // Asks the guest to let the device go and waits for it: false when it has not done so in time. It may still do it later.
  bool detach_device(model::MachineId id, const Device& device, std::chrono::milliseconds patience = std::chrono::seconds(10));
  void update_device(model::MachineId id, const std::string& device_xml);  // another medium in a drive
  void resize_block(model::MachineId id, const std::string& disk, std::uint64_t bytes);  // disk: its target or its file; it only grows

  // Disks and memory together, inside the disks, which must be qcow2; the machine must have no firmware variables. Each may take
  // minutes: the deadline is kLongDeadline. `name` is a snapshot's id.
  void take_snapshot(model::MachineId id, const std::string& name);  // of a running machine
  bool has_snapshot(model::MachineId id, const std::string& name);
  void revert_to_snapshot(model::MachineId id, const std::string& name);  // which is then in the state that it had
  void remove_snapshot(model::MachineId id, const std::string& name);     // absent is success

  std::vector<DomainCounters> counters();  // of all that run, in one call
  std::string screenshot(model::MachineId id, unsigned screen);  // PNG; screens are numbered over the machine's video devices

  static constexpr std::chrono::milliseconds kLongDeadline = std::chrono::minutes(10);

 private:
  friend class StoragePools;  // storage_pools.hpp
  class Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace velocity::libvirt
