#include "framework/plugin/module.hpp"

#include <exception>
#include <utility>

#include <fmt/format.h>

namespace velocity::plugin {
namespace {

using model::Error;
using model::ErrorCode;
using model::Json;

constexpr std::size_t kMaxReply = std::size_t{1} << 20;
constexpr std::size_t kMaxProblems = 100;

std::string_view view(velocity_text text) { return text.data ? std::string_view(text.data, static_cast<std::size_t>(text.size)) : std::string_view(); }

velocity_text lend(std::string_view text) { return {text.data(), text.size()}; }

// Keeps what the plugin writes, up to the limit. Nothing thrown here may go back through the plugin.
struct Reply {
  std::string text;
  bool too_long = false;

  static void write(void* context, velocity_text piece) noexcept {
    auto& reply = *static_cast<Reply*>(context);
    if (piece.size > kMaxReply - reply.text.size()) reply.too_long = true;
    if (reply.too_long) return;
    try {
      reply.text += view(piece);
    } catch (...) {
      reply.too_long = true;
    }
  }
  velocity_sink sink() { return {sizeof(velocity_sink), this, &write}; }
};

// What a plugin can reach during one call.
struct Lent {
  HostServices& services;
  std::string_view plugin;
  std::exception_ptr failure;  // what a service threw: kept, so that its code is not lost on the way through the plugin

  static void log(void* context, int32_t level, velocity_text message) noexcept {
    auto& lent = *static_cast<Lent*>(context);
    try {
      lent.services.log(lent.plugin, std::clamp<int>(level, VELOCITY_LOG_TRACE, VELOCITY_LOG_ERROR), view(message));
    } catch (...) {  // a line that cannot be logged is lost
    }
  }

  static velocity_status service(void* context, velocity_text name, velocity_text request, const velocity_sink* reply) noexcept {
    auto& lent = *static_cast<Lent*>(context);
    try {
      const auto answer = model::dump_json(lent.services.call(lent.plugin, view(name), model::parse_json(view(request))));
      if (reply && VELOCITY_HAS(reply, write)) reply->write(reply->context, lend(answer));
      return VELOCITY_OK;
    } catch (const Error& error) {
      // A request that makes no sense is the plugin's fault, not the client's.
      const bool senseless = error.code() == ErrorCode::request_malformed || error.code() == ErrorCode::request_invalid;
      lent.failure = senseless ? std::make_exception_ptr(Error(ErrorCode::plugin_failed, fmt::format("The plugin {} asked for a service wrongly", lent.plugin), error.what()))
                               : std::current_exception();
      if (reply && VELOCITY_HAS(reply, write)) reply->write(reply->context, lend(error.message()));
    } catch (...) {
      lent.failure = std::current_exception();
    }
    return VELOCITY_FAILED;
  }

  velocity_call call() {
    return {sizeof(velocity_call), VELOCITY_ABI_MAJOR, VELOCITY_ABI_MINOR, this, &log, &service};
  }
};

std::string message_of(const std::string& reply) {
  try {
    const auto json = model::parse_json(reply);
    if (json.is_object() && json.contains("message") && json["message"].is_string()) return json["message"].get<std::string>().substr(0, 4096);
  } catch (const Error&) {  // not as the contract says: shown as it is
  }
  return reply.substr(0, 4096);
}

std::vector<model::Problem> problems_of(const std::string& reply) {
  std::vector<model::Problem> problems;
  const auto json = model::parse_json(reply);
  if (json.is_object() && json.contains("problems") && json["problems"].is_array())
    for (const auto& problem : json["problems"])
      if (problem.is_object() && problems.size() < kMaxProblems)
        if (const auto path = problem.find("path"), message = problem.find("message");
            path != problem.end() && path->is_string() && message != problem.end() && message->is_string())
          problems.push_back({path->get<std::string>(), message->get<std::string>()});
  return problems;
}

}  // namespace

std::optional<Refusal> Module::load(const std::filesystem::path& file, std::string name, HostServices& services, std::shared_ptr<const Module>& loaded) {
  const std::shared_ptr<Module> module(new Module(std::move(name), services));
  velocity_plugin_entry entry = nullptr;
  try {
    namespace dll = boost::dll;
    module->library_.load(file.string(), dll::load_mode::rtld_now | dll::load_mode::rtld_local);
    if (module->library_.has(VELOCITY_ENTRY_SYMBOL))
      entry = &module->library_.get<velocity_status(const velocity_call*, velocity_plugin*, const velocity_sink*)>(VELOCITY_ENTRY_SYMBOL);
  } catch (const std::exception& error) {
    return Refusal{"plugin.not_loadable", fmt::format("the dynamic loader refuses the file: {}", error.what()), "install what it needs, or build it again"};
  }
  if (!entry) return Refusal{"plugin.no_entry", "the file does not export " VELOCITY_ENTRY_SYMBOL, "write VELOCITY_PLUGIN(…) in one of its sources"};
  if (auto refusal = module->enter(entry)) return refusal;
  loaded = module;
  return std::nullopt;
}

std::optional<Refusal> Module::enter(velocity_plugin_entry entry) {
  Reply reply;
  const auto sink = reply.sink();
  Lent lent{services_, name_, nullptr};
  const auto call = lent.call();
  velocity_plugin offered{};
  offered.struct_size = sizeof offered;
  velocity_status status = VELOCITY_FAILED;
  try {
    status = entry(&call, &offered, &sink);
  } catch (...) {
    return Refusal{"plugin.threw", "an exception came out of its entry function", "report it to the plugin's author"};
  }
  if (status != VELOCITY_OK)
    return Refusal{"plugin.entry_failed", fmt::format("its entry function failed: {}", message_of(reply.text)), "report it to the plugin's author"};
  table_ = known_part(offered);
  const bool sound = (table_.vm_type_count == 0 || table_.vm_types) && (table_.resource_type_count == 0 || table_.resource_types) &&
                     table_.vm_type_count <= 64 && table_.resource_type_count <= 64 && table_.vm_type_count + table_.resource_type_count > 0;
  if (!sound) return Refusal{"plugin.table_invalid", "its table of types is empty or broken", "report it to the plugin's author"};
  return std::nullopt;
}

Json Module::call(std::string_view what, velocity_operation operation, void* self, const Json& request, const Json& otherwise) const {
  if (!operation) return otherwise;
  const auto text = model::dump_json(request);
  Reply reply;
  const auto sink = reply.sink();
  Lent lent{services_, name_, nullptr};
  const auto call = lent.call();
  velocity_status status = VELOCITY_FAILED;
  const auto failed = [&](std::string why) { return Error(ErrorCode::plugin_failed, fmt::format("The plugin {} failed in {}", name_, what), std::move(why)); };
  try {
    status = operation(self, &call, lend(text), &sink);
  } catch (...) {
    throw failed("an exception came out of it");
  }
  if (status == VELOCITY_UNSUPPORTED) return otherwise;
  if (status != VELOCITY_OK && lent.failure) std::rethrow_exception(lent.failure);
  if (reply.too_long) throw failed("its reply is longer than 1 MiB");
  Json json;
  std::vector<model::Problem> problems;
  try {
    if (status == VELOCITY_OK) json = model::parse_json(reply.text);
    if (status == VELOCITY_INVALID) problems = problems_of(reply.text);
  } catch (const Error& error) {
    throw failed("its reply is malformed: " + error.message());
  }
  if (!problems.empty()) throw Error(std::move(problems));
  if (status != VELOCITY_OK) throw failed(fmt::format("status {}: {}", status, message_of(reply.text)));
  if (!json.is_object()) throw failed("its reply is not an object");
  return json;
}

}  // namespace velocity::plugin
