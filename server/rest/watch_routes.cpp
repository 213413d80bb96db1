// /v/stats and /v/screenshot: looking at machines that run.
#include "framework/model/names.hpp"
#include "framework/service/watch.hpp"
#include "server/rest/tables.hpp"
#include "server/rest/wire.hpp"

namespace velocity::rest {
namespace {

using model::FieldReader;

constexpr std::int64_t kMostDisplays = 15;

template <class T>
void put(Json& document, const char* field, const std::optional<T>& value) {
  if (value) document[field] = *value;
}

Json to_json(const service::DiskUse& disk) {
  Json document{{"target", disk.counters.target}};
  if (disk.resource) document["stid"] = disk.resource->text();
  put(document, "read_bytes", disk.counters.read_bytes);
  put(document, "read_requests", disk.counters.read_requests);
  put(document, "written_bytes", disk.counters.written_bytes);
  put(document, "write_requests", disk.counters.write_requests);
  return document;
}

Json to_json(const service::NicUse& nic) {
  Json document = Json::object();
  if (nic.resource) document["nicid"] = nic.resource->text();
  if (!nic.mac.empty()) document["mac_address"] = nic.mac;
  put(document, "received_bytes", nic.counters.received_bytes);
  put(document, "received_packets", nic.counters.received_packets);
  put(document, "sent_bytes", nic.counters.sent_bytes);
  put(document, "sent_packets", nic.counters.sent_packets);
  return document;
}

template <class Entry>
Json list(const std::vector<Entry>& entries) {
  Json documents = Json::array();
  for (const auto& entry : entries) documents.push_back(to_json(entry));
  return documents;
}

Answer stats(service::Watch& watch, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = fields.require("vmid", fields.id<model::MachineId>("vmid"));
  fields.finish_closed();
  const auto use = watch.use(request.caller(), vmid);
  Json answer{{"vmid", vmid.text()}, {"state", model::name(use.runtime.state)}, {"taken", use.taken}};
  if (use.counters) {
    Json cpu = Json::object();
    Json memory = Json::object();
    put(cpu, "time_ns", use.counters->cpu_ns);
    put(cpu, "count", use.counters->vcpus);
    put(memory, "current_kib", use.counters->memory_kib);
    put(memory, "resident_kib", use.counters->resident_kib);
    answer["cpu"] = std::move(cpu);
    answer["memory"] = std::move(memory);
    answer["storage_devices"] = list(use.disks);
    answer["nics"] = list(use.nics);
  }
  return Answer::json(answer);
}

Answer screenshot(service::Watch& watch, Request& request) {
  FieldReader fields(request.fields);
  const auto vmid = fields.require("vmid", fields.id<model::MachineId>("vmid"));
  const auto display = fields.integer("display", 0, kMostDisplays).value_or(0);
  fields.finish_closed();
  return {200, watch.screenshot(request.caller(), vmid, static_cast<std::size_t>(display)), "image/png", {}};
}

}  // namespace

std::vector<Route> watch_routes(service::Services services) {
  auto& watch = services.watch;
  return {
      {Method::get, "/v/stats", Credential::caller, "What a virtual machine has used since it was started", "view",
       [&watch](Request& request) { return stats(watch, request); }},
      {Method::get, "/v/screenshot", Credential::caller, "What a display of a running virtual machine shows, as PNG", "view",
       [&watch](Request& request) { return screenshot(watch, request); }},
  };
}

}  // namespace velocity::rest
