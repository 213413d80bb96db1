#include "framework/libvirt/session.hpp"

#include <libvirt/virterror.h>

#include <cstdlib>
#include <pugixml.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "framework/libvirt/errors.hpp"
#include "framework/libvirt/states.hpp"

namespace velocity::libvirt {

namespace {

// What libvirt keeps for a callback: a reference of its own, since a callback can come after the session has gone.
using Opaque = std::shared_ptr<Notices>;

void free_opaque(void* opaque) { delete static_cast<Opaque*>(opaque); }

int on_lifecycle(virConnectPtr, virDomainPtr domain, int event, int detail, void* opaque) {
  if (const auto id = id_of(domain)) (*static_cast<Opaque*>(opaque))->push({Notice::Kind::lifecycle, *id, event, detail, {}});
  return 0;
}

void on_device(virConnectPtr, virNodeDevicePtr, int, int, void* opaque) {
  (*static_cast<Opaque*>(opaque))->push({Notice::Kind::devices, {}, 0, 0, {}});
}

void on_close(virConnectPtr, int reason, void* opaque) {
  const char* why = reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? "libvirt's daemon stopped answering"
                    : reason == VIR_CONNECT_CLOSE_REASON_EOF     ? "libvirt's daemon closed the connection"
                                                                 : "the connection to libvirt's daemon broke";
  (*static_cast<Opaque*>(opaque))->push({Notice::Kind::lost, {}, 0, 0, why});
}

std::string take(char* text) {
  std::string copy(text);
  std::free(text);
  return copy;
}

}  // namespace

std::optional<model::MachineId> id_of(virDomainPtr domain) {
  char text[VIR_UUID_STRING_BUFLEN];
  if (virDomainGetUUIDString(domain, text) < 0) return std::nullopt;
  return model::MachineId::parse(text);
}

Session::Session(const std::string& uri, Role role, std::shared_ptr<Notices> notices, std::shared_ptr<CallCount> calls)
    : loop_(EventLoop::shared()), notices_(std::move(notices)), calls_(std::move(calls)) {
  ++*calls_;
  connection_.reset(virConnectOpen(uri.c_str()));
  if (!connection_) throw last_error("virConnectOpen");
  // Switches keep-alive off, and is known to connections to a daemon only.
  daemon_ = virConnectSetKeepAlive(counted(), 0, 0) >= 0;
  virResetLastError();
  if (role == Role::listening) register_callbacks();
}

void Session::register_callbacks() {
  if (daemon_) {  // other drivers say that they registered it, but never free the argument
    auto* opaque = new Opaque(notices_);
    close_callback_ = virConnectRegisterCloseCallback(counted(), on_close, opaque, free_opaque) == 0;
    if (!close_callback_) free_opaque(opaque);
  }
  auto* opaque = new Opaque(notices_);
  lifecycle_callback_ = virConnectDomainEventRegisterAny(counted(), nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), opaque, free_opaque);
  if (lifecycle_callback_ < 0) {
    const model::Error error = last_error("virConnectDomainEventRegisterAny");
    free_opaque(opaque);
    if (close_callback_) virConnectUnregisterCloseCallback(counted(), on_close);
    throw error;
  }
  if (daemon_) register_for_devices();
}

// Not every daemon has a driver for them; then they are looked at from time to time only.
void Session::register_for_devices() {
  auto* opaque = new Opaque(notices_);
  device_callback_ = virConnectNodeDeviceEventRegisterAny(counted(), nullptr, VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
                                                          VIR_NODE_DEVICE_EVENT_CALLBACK(on_device), opaque, free_opaque);
  if (device_callback_ < 0) free_opaque(opaque);
  virResetLastError();
}

Session::~Session() {
  // The registrations hold the connection open.
  if (device_callback_ >= 0) virConnectNodeDeviceEventDeregisterAny(counted(), device_callback_);
  if (lifecycle_callback_ >= 0) virConnectDomainEventDeregisterAny(counted(), lifecycle_callback_);
  if (close_callback_) virConnectUnregisterCloseCallback(counted(), on_close);
  virResetLastError();
}

virConnectPtr Session::counted() {
  ++*calls_;
  return connection_.get();
}

virDomainPtr Session::counted(const Domain& domain) {
  ++*calls_;
  return domain.get();
}

void Session::fail(const char* call) {
  const model::Error error = last_error(call);
  if (virConnectIsAlive(connection_.get()) != 0) throw error;
  notices_->push({Notice::Kind::lost, {}, 0, 0, error.detail()});
  throw model::Error(model::ErrorCode::hypervisor_unavailable, "The hypervisor is not available", error.detail());
}

Domain Session::get_domain(model::MachineId id) {
  Domain domain(virDomainLookupByUUIDString(counted(), id.text().c_str()));
  if (!domain) fail("virDomainLookupByUUIDString");
  return domain;
}

void Session::define(const std::string& xml, bool validate) {
  const Domain domain(virDomainDefineXMLFlags(counted(), xml.c_str(), validate ? VIR_DOMAIN_DEFINE_VALIDATE : 0));
  if (!domain) fail("virDomainDefineXMLFlags");
}

// The QEMU driver makes a guest's whole command line without the guest; the test driver has none to make.
void Session::rehearse(const std::string& xml) {
  char* arguments = virConnectDomainXMLToNative(counted(), "qemu-argv", xml.c_str(), 0);
  std::free(arguments);
  if (arguments == nullptr && virGetLastErrorCode() != VIR_ERR_NO_SUPPORT) fail("virConnectDomainXMLToNative");
  virResetLastError();
}

void Session::undefine(model::MachineId id) {
  const Domain domain(virDomainLookupByUUIDString(counted(), id.text().c_str()));
  if (!domain && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) return virResetLastError();
  if (!domain) fail("virDomainLookupByUUIDString");
  constexpr unsigned kAll = VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA |
                            VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_TPM;
  int result = virDomainUndefineFlags(counted(domain), kAll);
  // The test driver knows neither NVRAM nor TPMs nor checkpoints.
  if (result < 0 && virGetLastErrorCode() == VIR_ERR_INVALID_ARG) result = virDomainUndefine(counted(domain));
  if (result == 0) return;
  if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) return virResetLastError();
  fail("virDomainUndefineFlags");
}

void Session::start(model::MachineId id, unsigned flags) {
  const Domain domain = get_domain(id);
  if (virDomainCreateWithFlags(counted(domain), flags) < 0) fail("virDomainCreateWithFlags");
}

void Session::shutdown(model::MachineId id) {
  const Domain domain = get_domain(id);
  if (virDomainShutdownFlags(counted(domain), 0) < 0) fail("virDomainShutdownFlags");
}

void Session::destroy(model::MachineId id) {
  const Domain domain = get_domain(id);
  if (virDomainDestroy(counted(domain)) == 0) return;
  if (virGetLastErrorCode() != VIR_ERR_OPERATION_INVALID) fail("virDomainDestroy");
  // Not running is what was wanted. It can also be said of a guest whose end libvirt has noticed a moment ago.
  const model::Error error = last_error("virDomainDestroy");
  if (virDomainIsActive(counted(domain)) != 0) throw error;
}

void Session::suspend(model::MachineId id) {
  const Domain domain = get_domain(id);
  if (virDomainSuspend(counted(domain)) < 0) fail("virDomainSuspend");
}

void Session::resume(model::MachineId id) {
  const Domain domain = get_domain(id);
  if (virDomainResume(counted(domain)) < 0) fail("virDomainResume");
}

model::Runtime Session::state(model::MachineId id) {
  int state = 0;
  int reason = 0;
  const Domain domain = get_domain(id);
  if (virDomainGetState(counted(domain), &state, &reason, 0) < 0) fail("virDomainGetState");
  return runtime_of(state, reason);
}

std::vector<DomainState> Session::list() {
  virDomainStatsRecordPtr* records = nullptr;
  const int count = virConnectGetAllDomainStats(counted(), VIR_DOMAIN_STATS_STATE, &records, 0);
  if (count < 0 && virGetLastErrorCode() == VIR_ERR_NO_SUPPORT) return list_one_by_one();
  if (count < 0) fail("virConnectGetAllDomainStats");
  std::vector<DomainState> domains;
  for (virDomainStatsRecordPtr record : std::span(records, static_cast<std::size_t>(count))) {
    int state = 0;
    int reason = 0;
    virTypedParamsGetInt(record->params, record->nparams, "state.state", &state);
    virTypedParamsGetInt(record->params, record->nparams, "state.reason", &reason);
    if (const auto id = id_of(record->dom)) domains.push_back({*id, runtime_of(state, reason)});
  }
  virDomainStatsRecordListFree(records);
  return domains;
}

std::vector<DomainState> Session::list_one_by_one() {
  virDomainPtr* listed = nullptr;
  const int count = virConnectListAllDomains(counted(), &listed, 0);
  if (count < 0) fail("virConnectListAllDomains");
  std::vector<DomainState> domains;
  for (virDomainPtr raw : std::span(listed, static_cast<std::size_t>(count))) {
    const Domain domain(raw);
    int state = 0;
    int reason = 0;
    const auto id = id_of(raw);
    // One that vanished since the list was made is left out.
    if (id && virDomainGetState(counted(domain), &state, &reason, 0) == 0) domains.push_back({*id, runtime_of(state, reason)});
  }
  std::free(listed);
  virResetLastError();
  return domains;
}

std::string Session::domain_xml(model::MachineId id) {
  const Domain domain = get_domain(id);
  char* xml = virDomainGetXMLDesc(counted(domain), 0);
  if (xml == nullptr) fail("virDomainGetXMLDesc");
  return take(xml);
}

std::vector<HostBridge> Session::bridges() {
  virInterfacePtr* listed = nullptr;
  const int count = virConnectListAllInterfaces(counted(), &listed, 0);
  if (count < 0 && virGetLastErrorCode() == VIR_ERR_NO_SUPPORT) {
    virResetLastError();
    return {};
  }
  if (count < 0) fail("virConnectListAllInterfaces");
  std::vector<HostBridge> bridges;
  for (virInterfacePtr interface : std::span(listed, static_cast<std::size_t>(count))) {
    ++*calls_;
    // One that vanished since the list was made is left out.
    if (char* xml = virInterfaceGetXMLDesc(interface, 0)) {
      pugi::xml_document document;
      if (document.load_string(take(xml).c_str()) && std::string_view(document.child("interface").attribute("type").value()) == "bridge") {
        const char* mac = virInterfaceGetMACString(interface);
        bridges.push_back({virInterfaceGetName(interface), mac ? mac : "", virInterfaceIsActive(interface) == 1});
      }
    }
    virInterfaceFree(interface);
  }
  std::free(listed);
  virResetLastError();
  return bridges;
}

std::string Session::capabilities() {
  char* xml = virConnectGetCapabilities(counted());
  if (xml == nullptr) fail("virConnectGetCapabilities");
  return take(xml);
}

std::string Session::domain_capabilities(const std::string& emulator, const std::string& arch, const std::string& machine, const std::string& domain_type) {
  char* xml = virConnectGetDomainCapabilities(counted(), emulator.c_str(), arch.c_str(), machine.c_str(), domain_type.c_str(), 0);
  if (xml == nullptr) fail("virConnectGetDomainCapabilities");
  return take(xml);
}

std::string Session::driver() {
  const char* type = virConnectGetType(counted());
  if (type == nullptr) fail("virConnectGetType");
  return type;
}

void Session::ping() {
  unsigned long version = 0;
  if (virConnectGetLibVersion(connection_.get(), &version) < 0) fail("virConnectGetLibVersion");
}

bool Session::alive() { return virConnectIsAlive(connection_.get()) != 0; }

}  // namespace velocity::libvirt
