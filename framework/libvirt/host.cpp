#include "framework/libvirt/host.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "framework/libvirt/connection.hpp"
#include "framework/libvirt/embedded.hpp"

namespace velocity::libvirt {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{100};

}  // namespace

Host::Host(HostSettings settings, Listener& listener) : connection_(std::make_unique<Connection>(std::move(settings), listener)) {}

Host::~Host() = default;

const std::string& Host::name() const { return connection_->settings().name; }

bool Host::connected() const { return connection_->connected(); }

std::string Host::why_disconnected() const { return connection_->why_disconnected(); }

HostFacts Host::facts() { return connection_->facts(); }

unsigned long long Host::calls() const { return connection_->calls(); }

void Host::define(const std::string& domain_xml) {
  auto shape = shape_of(domain_xml);
  const bool validate = !connection_->validated().knows(shape);
  connection_->call([domain_xml, validate](Session& session) { session.define(domain_xml, validate); });
  if (validate) connection_->validated().note(std::move(shape));
}

void Host::rehearse(const std::string& domain_xml) {
  connection_->call([domain_xml](Session& session) { session.rehearse(domain_xml); });
}

void Host::undefine(model::MachineId id) {
  connection_->call([id](Session& session) { session.undefine(id); });
  if (connection_->embedded()) remove_log(connection_->settings().root, id);
}

void Host::start(model::MachineId id) {
  if (connection_->embedded()) trim_log(connection_->settings().root, id);
  connection_->call([id](Session& session) { session.start(id); });
}

void Host::start_paused(model::MachineId id) {
  if (connection_->embedded()) trim_log(connection_->settings().root, id);
  connection_->call([id](Session& session) { session.start(id, VIR_DOMAIN_START_PAUSED); });
}

void Host::shutdown(model::MachineId id) {
  connection_->call([id](Session& session) { session.shutdown(id); });
}

void Host::destroy(model::MachineId id) {
  connection_->call([id](Session& session) { session.destroy(id); });
}

void Host::suspend(model::MachineId id) {
  connection_->call([id](Session& session) { session.suspend(id); });
}

void Host::resume(model::MachineId id) {
  connection_->call([id](Session& session) { session.resume(id); });
}

model::Runtime Host::state(model::MachineId id) {
  return connection_->call([id](Session& session) { return session.state(id); });
}

std::vector<DomainState> Host::list() {
  return connection_->call([](Session& session) { return session.list(); });
}

std::string Host::domain_xml(model::MachineId id) {
  return connection_->call([id](Session& session) { return session.domain_xml(id); });
}

std::vector<HostBridge> Host::bridges() {
  return connection_->call([](Session& session) { return session.bridges(); });
}

std::vector<Device> Host::devices(model::MachineId id) { return devices_in(domain_xml(id)); }

void Host::attach_device(model::MachineId id, const std::string& device_xml) {
  connection_->call([id, device_xml](Session& session) { session.attach_device(id, device_xml); });
}

bool Host::detach_device(model::MachineId id, const Device& device, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  connection_->call([id, xml = device.xml](Session& session) { session.detach_device(id, xml); });
  const auto is_it = [&device](const Device& other) {
    return other.kind == device.kind && (device.kind == Device::Kind::nic ? other.mac == device.mac : other.target == device.target);
  };
  for (;;) {
    const auto now = devices(id);
    if (std::none_of(now.begin(), now.end(), is_it)) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

void Host::update_device(model::MachineId id, const std::string& device_xml) {
  connection_->call([id, device_xml](Session& session) { session.update_device(id, device_xml); });
}

void Host::resize_block(model::MachineId id, const std::string& disk, std::uint64_t bytes) {
  connection_->call([id, disk, bytes](Session& session) { session.resize_block(id, disk, bytes); });
}

void Host::take_snapshot(model::MachineId id, const std::string& name) {
  connection_->call_within(kLongDeadline, [id, name](Session& session) { session.take_snapshot(id, name); });
}

bool Host::has_snapshot(model::MachineId id, const std::string& name) {
  return connection_->call([id, name](Session& session) { return session.has_snapshot(id, name); });
}

void Host::revert_to_snapshot(model::MachineId id, const std::string& name) {
  connection_->call_within(kLongDeadline, [id, name](Session& session) { session.revert_to_snapshot(id, name); });
}

void Host::remove_snapshot(model::MachineId id, const std::string& name) {
  connection_->call_within(kLongDeadline, [id, name](Session& session) { session.remove_snapshot(id, name); });
}

std::vector<DomainCounters> Host::counters() {
  return connection_->call([](Session& session) { return session.counters(); });
}

std::string Host::screenshot(model::MachineId id, unsigned screen) {
  return connection_->call([id, screen](Session& session) { return session.screenshot(id, screen); });
}

}  // namespace velocity::libvirt
