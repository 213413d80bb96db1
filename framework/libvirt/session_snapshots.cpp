// The part of a session that keeps a machine's memory together with its disks.
#include <libvirt/virterror.h>

#include <pugixml.hpp>
#include <sstream>

#include "framework/libvirt/session.hpp"

namespace velocity::libvirt {

DomainSnapshot Session::find_snapshot(const Domain& domain, const std::string& name) {
  DomainSnapshot snapshot(virDomainSnapshotLookupByName(counted(domain), name.c_str(), 0));
  if (snapshot) return snapshot;
  if (virGetLastErrorCode() != VIR_ERR_NO_DOMAIN_SNAPSHOT) fail("virDomainSnapshotLookupByName");
  virResetLastError();
  return snapshot;
}

void Session::take_snapshot(model::MachineId id, const std::string& name) {
  const Domain domain = get_domain(id);
  pugi::xml_document document;
  document.append_child("domainsnapshot").append_child("name").text() = name.c_str();
  std::ostringstream xml;
  document.save(xml, "", pugi::format_raw | pugi::format_no_declaration);
  const DomainSnapshot taken(virDomainSnapshotCreateXML(counted(domain), std::move(xml).str().c_str(), 0));
  if (!taken) fail("virDomainSnapshotCreateXML");
}

bool Session::has_snapshot(model::MachineId id, const std::string& name) {
  const Domain domain = get_domain(id);
  return find_snapshot(domain, name) != nullptr;
}

void Session::revert_to_snapshot(model::MachineId id, const std::string& name) {
  const Domain domain = get_domain(id);
  const DomainSnapshot snapshot = find_snapshot(domain, name);
  if (!snapshot) throw model::Error(model::ErrorCode::hypervisor_failed, "The hypervisor has lost the snapshot", name);
  // Force: the definition may have changed since, and QEMU is then started anew.
  ++*calls_;
  if (virDomainRevertToSnapshot(snapshot.get(), VIR_DOMAIN_SNAPSHOT_REVERT_FORCE) < 0) fail("virDomainRevertToSnapshot");
}

void Session::remove_snapshot(model::MachineId id, const std::string& name) {
  const Domain domain = get_domain(id);
  const DomainSnapshot snapshot = find_snapshot(domain, name);
  if (!snapshot) return;
  ++*calls_;
  if (virDomainSnapshotDelete(snapshot.get(), 0) < 0) fail("virDomainSnapshotDelete");
}

}  // namespace velocity::libvirt
