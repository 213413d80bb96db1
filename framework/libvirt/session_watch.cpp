// The part of a session that looks at running machines: what they use, what they show.
#include <fmt/format.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

#include "framework/libvirt/png.hpp"
#include "framework/libvirt/session.hpp"

namespace velocity::libvirt {

namespace {

constexpr unsigned kMostDevices = 256;

// The typed parameters of one domain, read by name.
class Parameters {
 public:
  explicit Parameters(virDomainStatsRecordPtr record) : record_(record) {}

  std::optional<std::uint64_t> number(const std::string& name) const {
    unsigned long long value = 0;
    if (virTypedParamsGetULLong(record_->params, record_->nparams, name.c_str(), &value) == 1) return value;
    virResetLastError();
    return std::nullopt;
  }

  std::uint64_t count(const char* name) const {
    unsigned value = 0;
    const bool known = virTypedParamsGetUInt(record_->params, record_->nparams, name, &value) == 1;
    virResetLastError();
    return known ? std::min(value, kMostDevices) : 0;
  }

  std::string text(const std::string& name) const {
    const char* value = nullptr;
    if (virTypedParamsGetString(record_->params, record_->nparams, name.c_str(), &value) == 1 && value != nullptr) return value;
    virResetLastError();
    return {};
  }

 private:
  virDomainStatsRecordPtr record_;
};

DomainCounters counters_of(model::MachineId id, const Parameters& said) {
  DomainCounters counters;
  counters.id = id;
  counters.cpu_ns = said.number("cpu.time");
  if (const auto vcpus = said.count("vcpu.current"); vcpus > 0) counters.vcpus = vcpus;
  counters.memory_kib = said.number("balloon.current");
  counters.resident_kib = said.number("balloon.rss");
  for (std::uint64_t i = 0; i < said.count("block.count"); ++i) {
    const std::string at = fmt::format("block.{}.", i);
    counters.disks.push_back({said.text(at + "name"), said.text(at + "path"), said.number(at + "rd.bytes"), said.number(at + "rd.reqs"),
                              said.number(at + "wr.bytes"), said.number(at + "wr.reqs")});
  }
  for (std::uint64_t i = 0; i < said.count("net.count"); ++i) {
    const std::string at = fmt::format("net.{}.", i);
    NicCounters nic{said.text(at + "name"), said.number(at + "rx.bytes"), said.number(at + "rx.pkts"), said.number(at + "tx.bytes"),
                    said.number(at + "tx.pkts")};
    if (!nic.target.empty()) counters.nics.push_back(std::move(nic));
  }
  return counters;
}

struct FreeStream {
  void operator()(virStreamPtr stream) const { virStreamFree(stream); }
};

}  // namespace

std::vector<DomainCounters> Session::counters() {
  constexpr unsigned kWanted =
      VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK;
  // Nowait: of a machine that something long is being done to, what is known without asking its emulator is told.
  constexpr unsigned kFlags = VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
  virDomainStatsRecordPtr* records = nullptr;
  int count = virConnectGetAllDomainStats(counted(), kWanted, &records, kFlags);
  if (count < 0 && virGetLastErrorCode() == VIR_ERR_INVALID_ARG)  // a driver that knows fewer flags
    count = virConnectGetAllDomainStats(counted(), kWanted, &records, 0);
  if (count < 0 && virGetLastErrorCode() == VIR_ERR_NO_SUPPORT) {
    virResetLastError();
    return {};
  }
  if (count < 0) fail("virConnectGetAllDomainStats");
  std::vector<DomainCounters> all;
  for (virDomainStatsRecordPtr record : std::span(records, static_cast<std::size_t>(count)))
    if (const auto id = id_of(record->dom)) all.push_back(counters_of(*id, Parameters(record)));
  virDomainStatsRecordListFree(records);
  return all;
}

std::string Session::screenshot(model::MachineId id, unsigned screen) {
  const Domain domain = get_domain(id);
  const std::unique_ptr<virStream, FreeStream> stream(virStreamNew(counted(), 0));
  if (!stream) fail("virStreamNew");
  char* type = virDomainScreenshot(counted(domain), stream.get(), screen, 0);
  if (type == nullptr) fail("virDomainScreenshot");
  const std::string said(type);
  std::free(type);
  std::string bytes;
  std::array<char, 256 * 1024> piece{};
  for (;;) {
    const int size = virStreamRecv(stream.get(), piece.data(), piece.size());
    if (size == 0) break;
    if (size < 0) fail("virStreamRecv");
    bytes.append(piece.data(), static_cast<std::size_t>(size));
    if (bytes.size() > kMaxPixmapBytes) {
      virStreamAbort(stream.get());
      throw model::Error(model::ErrorCode::hypervisor_failed, "The screen could not be read", "the screen is too large");
    }
  }
  virStreamFinish(stream.get());
  virResetLastError();
  return said == "image/png" ? bytes : png_of(bytes);
}

}  // namespace velocity::libvirt
