// One hypervisor host behind a libvirt URI: its connection, its domains, its events. Included by the services.
// Who wants domain XML needs domain_xml.hpp; nobody outside this room sees a libvirt type.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

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
};

struct DomainState {
  model::MachineId id;
  model::Runtime runtime;
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
  void shutdown(model::MachineId id);  // asks the guest by ACPI
  void destroy(model::MachineId id);   // at once; not running is success
  void suspend(model::MachineId id);
  void resume(model::MachineId id);
  model::Runtime state(model::MachineId id);
  std::vector<DomainState> list();
  std::string domain_xml(model::MachineId id);

 private:
  class Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace velocity::libvirt
