// Loads well and then answers as its spec tells it to: every way in which an operation can go wrong.
#include <velocity/abi.h>

#include <stdexcept>
#include <string>
#include <velocity/plugin.hpp>

namespace {

using velocity::sdk::Json;
namespace detail = velocity::sdk::detail;

velocity_status describe(void*, const velocity_call*, velocity_text, const velocity_sink* reply) {
  detail::write(reply, R"({"type":"misbehaving","title":"Misbehaving","schema":{"type":"object"}})");
  return VELOCITY_OK;
}

velocity_status validate(void*, const velocity_call* call, velocity_text request, const velocity_sink* reply) {
  const auto way = Json::parse(std::string_view(request.data, request.size)).at("spec").value("way", "");
  if (way == "throws") throw std::runtime_error("across the boundary");
  if (way == "throws an int") throw 42;
  if (way == "endless")
    for (int i = 0; i < 100000; ++i) detail::write(reply, std::string(1024, 'x'));
  if (way == "deep") detail::write(reply, std::string(200000, '['));
  if (way == "no JSON") detail::write(reply, "sorry");
  if (way == "no object") detail::write(reply, "[1]");
  if (way == "no spec") detail::write(reply, "{}");
  if (way == "duplicate key") detail::write(reply, R"({"spec":{},"spec":{}})");
  if (way == "not UTF-8") detail::write(reply, "{\"spec\":{\"a\":\"\xff\"}}");
  if (way == "null text") reply->write(reply->context, {nullptr, 5});
  if (way == "unknown status") return 77;
  if (way == "problems without a list") {
    detail::write(reply, R"({"problems":7})");
    return VELOCITY_INVALID;
  }
  if (way == "problems") {
    detail::write(reply, R"({"problems":[{"path":"/a","message":"is wrong"},{"path":3},{"path":"/b","message":"is wrong too"}]})");
    return VELOCITY_INVALID;
  }
  if (way == "log") call->log(call->context, 99, {"logged", 6});
  if (way == "service") {
    const velocity_sink sink{sizeof sink, nullptr, [](void*, velocity_text) {}};
    const auto status = call->service(call->context, {"volume.create", 13}, {"{}", 2}, &sink);
    if (status != VELOCITY_OK) return status;
  }
  if (way == "service without JSON") return call->service(call->context, {"volume.create", 13}, {"{", 1}, nullptr);
  if (way.empty() || way == "log" || way == "service") detail::write(reply, R"({"spec":{"judged":true}})");
  return VELOCITY_OK;
}

velocity_status plan(void*, const velocity_call*, velocity_text request, const velocity_sink* reply) {
  detail::write(reply, Json::parse(std::string_view(request.data, request.size)).at("reply").dump());
  return VELOCITY_OK;
}

// As a plugin has it that was compiled with an older header: shorter than the server's.
constexpr velocity_vm_type kType{offsetof(velocity_vm_type, update), nullptr, describe, nullptr, validate, plan, nullptr, nullptr};
constexpr const velocity_vm_type* kTypes[] = {&kType};

}  // namespace

extern "C" VELOCITY_EXPORT velocity_status velocity_plugin_entry_v1(const velocity_call*, velocity_plugin* plugin, const velocity_sink*) {
  plugin->vm_type_count = 1;
  plugin->vm_types = kTypes;
  return VELOCITY_OK;
}
