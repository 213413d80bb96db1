#include "framework/libvirt/host.hpp"

#include <utility>

#include "framework/libvirt/connection.hpp"
#include "framework/libvirt/embedded.hpp"

namespace velocity::libvirt {

Host::Host(HostSettings settings, Listener& listener) : connection_(std::make_unique<Connection>(std::move(settings), listener)) {}

Host::~Host() = default;

const std::string& Host::name() const { return connection_->settings().name; }

bool Host::connected() const { return connection_->connected(); }

std::string Host::why_disconnected() const { return connection_->why_disconnected(); }

HostFacts Host::facts() { return connection_->facts(); }

unsigned long long Host::calls() const { return connection_->calls(); }

void Host::define(const std::string& domain_xml) {
  connection_->call([domain_xml](Session& session) { session.define(domain_xml); });
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

}  // namespace velocity::libvirt
