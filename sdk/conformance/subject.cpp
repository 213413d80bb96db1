#include "sdk/conformance/subject.hpp"

#include <cstring>

#include "framework/model/error.hpp"

namespace velocity::conformance {
namespace {

constexpr std::size_t kMaxReply = std::size_t{1} << 20;

// The host's side of one call. Its own allocations do not fail while the plugin's do.
struct Lent {
  MockHost& host;
  std::string reply;
  bool too_long = false;
  bool null_text = false;
  bool starved = false;

  static void write(void* context, velocity_text piece) noexcept {
    auto& lent = *static_cast<Lent*>(context);
    if (!piece.data && piece.size > 0) lent.null_text = true;
    if (piece.size > kMaxReply - lent.reply.size()) lent.too_long = true;
    if (lent.null_text || lent.too_long) return;
    lent.reply.append(piece.data, static_cast<std::size_t>(piece.size));  // reserved: allocates nothing
  }
  static void log(void*, int32_t, velocity_text) noexcept {}
  static velocity_status service(void* context, velocity_text name, velocity_text request, const velocity_sink* sink) noexcept {
    auto& lent = *static_cast<Lent*>(context);
    lent.starved = feed();
    try {
      const auto json = model::parse_json({request.data, static_cast<std::size_t>(request.size)});
      const auto answer = model::dump_json(lent.host.call("", {name.data, static_cast<std::size_t>(name.size)}, json));
      if (sink && VELOCITY_HAS(sink, write)) sink->write(sink->context, {answer.data(), answer.size()});
      return VELOCITY_OK;
    } catch (...) {
      constexpr std::string_view kAnswer = R"({"message":"refused"})";
      if (sink && VELOCITY_HAS(sink, write)) sink->write(sink->context, {kAnswer.data(), kAnswer.size()});
      return VELOCITY_FAILED;
    }
  }
};

void check_reply(const std::string& name, velocity_status status, const std::string& text) {
  if (status == VELOCITY_UNSUPPORTED) return;
  const auto broken = [&](const std::string& why) { return Failed(name + ": " + why + ": " + text.substr(0, 200)); };
  Json reply;
  try {
    reply = model::parse_json(text);
  } catch (const model::Error& error) {
    throw broken("its reply is no JSON (" + error.message() + ")");
  }
  if (!reply.is_object()) throw broken("its reply is not an object");
  if (status == VELOCITY_FAILED && !(reply.contains("message") && reply["message"].is_string())) throw broken("a failure has no message");
  if (status == VELOCITY_INVALID && !(reply.contains("problems") && reply["problems"].is_array() && !reply["problems"].empty()))
    throw broken("what is invalid has no problems");
  if (status == VELOCITY_INVALID)
    for (const auto& problem : reply["problems"])
      if (!problem.is_object() || !problem.value("path", Json()).is_string() || !problem.value("message", Json()).is_string())
        throw broken("a problem has no path or no message");
}

template <class Table>
const Table* find_table(const plugin::Module& module, const Table* const* tables, std::uint32_t count, const std::string& type, Table& known) {
  for (std::uint32_t i = 0; i < count; ++i) {
    known = plugin::known_part(*tables[i]);
    if (plugin::describe(module, known, "").info.type == type) return tables[i];
  }
  return nullptr;
}

}  // namespace

Subject::Subject(const Options& given, const std::string& wanted) : options(given), type(wanted) {
  const auto candidate = plugin::examine(options.file);
  if (candidate.refusal) throw Failed(candidate.refusal->code + ": " + candidate.refusal->cause);
  if (const auto refusal = plugin::Module::load(candidate.file, candidate.manifest.name, host, module_)) throw Failed(refusal->code + ": " + refusal->cause);
  module_->call("configure", module_->table().configure, module_->table().self, options.settings);
  if (!type.empty()) find(candidate);
}

void Subject::find(const plugin::Candidate& candidate) {
  const auto slash = type.find('/');
  const auto name = type.substr(slash + 1);
  const auto& table = module_->table();
  if (type.substr(0, slash) == "vm") {
    if (!find_table(*module_, table.vm_types, table.vm_type_count, name, vm_table_)) throw Failed("it does not bring " + type);
    vm_ = std::make_unique<plugin::LoadedVmType>(module_, vm_table_, plugin::describe(*module_, vm_table_, candidate.manifest.version));
  } else {
    if (!find_table(*module_, table.resource_types, table.resource_type_count, name, resource_table_)) throw Failed("it does not bring " + type);
    resource_ = std::make_unique<plugin::LoadedResourceType>(module_, resource_table_, plugin::describe(*module_, resource_table_, candidate.manifest.version));
  }
}

std::vector<Operation> Subject::operations() const {
  const auto& v = vm_table_;
  const auto& r = resource_table_;
  std::vector<Operation> all;
  if (vm_)
    all = {{"describe", v.describe}, {"host_check", v.host_check}, {"validate", v.validate}, {"plan", v.plan}, {"update", v.update}};
  else
    all = {{"describe", r.describe}, {"host_check", r.host_check}, {"validate", r.validate}, {"enumerate", r.enumerate}, {"create", r.create},
           {"remove", r.remove}, {"inspect", r.inspect}, {"attach", r.attach}, {"cost", r.cost}, {"alter", r.alter}};
  std::erase_if(all, [](const Operation& operation) { return !operation.function; });
  return all;
}

bool Subject::offers(std::string_view operation) const {
  for (const auto& offered : operations())
    if (offered.name == operation) return true;
  return false;
}

Raw Subject::call(const Operation& operation, std::string_view request, long starve) {
  Lent lent{host, {}};
  lent.reply.reserve(kMaxReply);
  // As a host has it that is newer than this one: a table that is longer.
  struct {
    velocity_call known;
    void* later[4];
  } call{{sizeof(velocity_call) + sizeof(void* [4]), VELOCITY_ABI_MAJOR, VELOCITY_ABI_MINOR + 1, &lent, &Lent::log, &Lent::service}, {}};
  const velocity_sink sink{sizeof(velocity_sink), &lent, &Lent::write};
  Raw raw;
  if (starve >= 0) starve_from(starve);
  try {
    raw.status = operation.function(vm_ ? vm_table_.self : resource_table_.self, &call.known, {request.data(), request.size()}, &sink);
  } catch (...) {
    feed();
    throw Failed(operation.name + ": an exception comes out of it");
  }
  raw.starved = feed() || lent.starved;
  if (lent.null_text) throw Failed(operation.name + ": it writes a text without data");
  if (lent.too_long) throw Failed(operation.name + ": its reply is longer than 1 MiB");
  if (raw.status < VELOCITY_OK || raw.status > VELOCITY_UNSUPPORTED) throw Failed(operation.name + ": it answers the status " + std::to_string(raw.status));
  raw.text = std::move(lent.reply);
  check_reply(operation.name, raw.status, raw.text);
  return raw;
}

Json Subject::describe() const {
  return vm_ ? module_->call("describe", vm_table_.describe, vm_table_.self, Json::object())
             : module_->call("describe", resource_table_.describe, resource_table_.self, Json::object());
}

}  // namespace velocity::conformance
