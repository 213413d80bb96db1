// The C++20 layer over abi.h for plugin authors, header-only: it is compiled into the plugin, so nothing of it crosses the boundary.
// Needs nlohmann/json and nothing else.
//
//   class Example : public velocity::sdk::VmType { … describe(), plan() … };
//   struct Plugin : velocity::sdk::Plugin { Plugin() { add<Example>(); } };
//   VELOCITY_PLUGIN(Plugin)
//
// Throw Invalid for wrong input and Failure for anything else; no exception leaves the plugin.
#pragma once

#include <velocity/types.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace velocity {
namespace [[gnu::visibility("hidden")]] sdk {

namespace detail {

inline void write(const velocity_sink* sink, std::string_view text) noexcept {
  if (sink && VELOCITY_HAS(sink, write)) sink->write(sink->context, {text.data(), text.size()});
}

inline std::string text_of(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

// The exception firewall: runs the operation and turns what it returns or throws into a status and a reply.
template <class Operation>
velocity_status answer(const velocity_sink* reply, Operation&& operation) noexcept {
  const auto fail = [reply](const char* message) noexcept {
    try {
      write(reply, text_of({{"message", message}}));
    } catch (...) {
      write(reply, R"({"message":"out of memory"})");
    }
    return static_cast<velocity_status>(VELOCITY_FAILED);
  };
  try {
    write(reply, text_of(operation()));
    return VELOCITY_OK;
  } catch (const Invalid& invalid) {
    try {
      auto problems = Json::array();
      for (const auto& [path, message] : invalid.problems()) problems.push_back({{"path", path}, {"message", message}});
      write(reply, text_of({{"problems", std::move(problems)}}));
      return VELOCITY_INVALID;
    } catch (...) {
      return fail("out of memory");
    }
  } catch (const std::exception& error) {
    return fail(error.what());
  } catch (...) {
    return fail("an exception of an unknown type");
  }
}

// Makes an operation of the ABI's shape out of a function over the typed objects.
template <class Type, Json (*Function)(const Type&, const Call&, const Json&)>
velocity_status operation(void* self, const velocity_call* call, velocity_text request, const velocity_sink* reply) noexcept {
  return answer(reply, [&] {
    const auto input = request.size == 0 ? Json::object() : Json::parse(std::string_view(request.data, static_cast<std::size_t>(request.size)));
    return Function(*static_cast<const Type*>(self), Call(call), input);
  });
}

inline Host host_of(const Json& request) {
  const auto host = request.value("host", Json::object());
  return {host.value("arch", ""), host.value("acceleration", ""), host.value("domain_type", ""), host.value("privileged", true)};
}

inline std::int64_t number(const Json& object, const char* field) {
  return Fields(object).integer(field, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()).value_or(0);
}

inline Json json_of(const std::vector<Fragment>& fragments) {
  auto list = Json::array();
  for (const auto& [section, xml] : fragments) list.push_back({{"section", section}, {"xml", xml}});
  return {{"fragments", std::move(list)}};
}

template <class Type>
Json describe(const Type& type, const Call&, const Json&) {
  const auto said = type.describe();
  return {{"type", said.type}, {"title", said.title}, {"schema", said.schema}, {"examples", said.examples}, {"capabilities", said.capabilities}};
}

template <class Type>
Json host_check(const Type& type, const Call&, const Json& request) {
  const auto [available, why_not] = type.host_check(host_of(request));
  return {{"available", available}, {"why_not", why_not}};
}

// Base64 (RFC 4648) as the server writes it.
inline std::string decoded(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) break;  // the padding
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) bytes += static_cast<char>((bits >> (count -= 8)) & 0xffU);
  }
  return bytes;
}

inline Resources resources_of(const Json& request) {
  Resources resources;
  const auto given = request.value("resources", Json::object());
  for (const auto& [field, resource] : given.items())
    resources[field] = {resource.value("rid", ""), resource.value("type", ""), resource.value("spec", Json::object()), resource.value("path", ""),
                        decoded(resource.value("head", ""))};
  return resources;
}

template <class Type>
Json validate(const Type& type, const Call&, const Json& request) {
  return {{"spec", type.validate(request.at("spec"), resources_of(request))}};
}

inline Json plan(const VmType& type, const Call&, const Json& request) {
  const auto& vm = request.at("vm");
  PlanRequest plan{vm.value("vmid", ""), vm.value("name", ""), number(vm, "cpu_count"), number(vm, "memory_size_mb"), {}, vm.value("directory", ""),
                   request.value("spec", Json::object()), resources_of(request), host_of(request)};
  for (const auto& display : vm.value("displays", Json::array()))
    plan.displays.push_back({display.value("description", ""), number(display, "width"), number(display, "height")});
  auto reply = json_of(type.plan(plan));
  auto& files = reply["files"] = Json::array();
  for (auto& [name, kind, content] : type.files(plan)) files.push_back({{"name", name}, {"kind", kind}, {"content", std::move(content)}});
  return reply;
}

inline Json create(const ResourceType& type, const Call& call, const Json& request) {
  type.create(call, request.at("rid").get<std::string>(), request.at("spec"), resources_of(request));
  return Json::object();
}

inline Json remove(const ResourceType& type, const Call& call, const Json& request) {
  type.remove(call, request.at("rid").get<std::string>(), request.at("spec"));
  return Json::object();
}

inline Json attach(const ResourceType& type, const Call&, const Json& request) {
  const auto vm = request.value("vm", Json::object());
  return json_of(type.attach({request.at("rid").get<std::string>(), vm.value("vmid", ""), request.value("path", ""), request.value("directory", ""), number(request, "index"),
                              request.at("spec"), request.value("options", Json::object()), host_of(request)}));
}

inline Json update(const VmType& type, const Call&, const Json& request) { return {{"live", type.live_changes(request.at("old"), request.at("new"))}}; }

inline Json enumerate(const ResourceType& type, const Call& call, const Json& request) {
  auto items = Json::array();
  for (const auto& [id, label, spec] : type.enumerate(call, host_of(request))) items.push_back({{"id", id}, {"label", label}, {"spec", spec}});
  return {{"items", std::move(items)}};
}

inline Json inspect(const ResourceType& type, const Call&, const Json& request) {
  return type.inspect(request.at("rid").get<std::string>(), request.at("spec"), request.value("directory", ""));
}

inline Json alter(const ResourceType& type, const Call& call, const Json& request) {
  type.alter(call, request.at("rid").get<std::string>(), request.at("old"), request.at("new"));
  return Json::object();
}

inline Json cost(const ResourceType& type, const Call&, const Json& request) { return type.cost(request.at("spec")); }

inline velocity_vm_type table_of(VmType& type) {
  velocity_vm_type table{};  // what is left null is not offered, so the server's default holds
  table.struct_size = sizeof table;
  table.self = &type;
  table.describe = operation<VmType, describe<VmType>>;
  table.host_check = operation<VmType, host_check<VmType>>;
  table.validate = operation<VmType, validate<VmType>>;
  table.plan = operation<VmType, plan>;
  table.update = operation<VmType, update>;
  return table;
}

inline velocity_resource_type table_of(ResourceType& type) {
  velocity_resource_type table{};
  table.struct_size = sizeof table;
  table.self = &type;
  table.describe = operation<ResourceType, describe<ResourceType>>;
  table.host_check = operation<ResourceType, host_check<ResourceType>>;
  table.validate = operation<ResourceType, validate<ResourceType>>;
  table.enumerate = operation<ResourceType, enumerate>;
  table.create = operation<ResourceType, create>;
  table.remove = operation<ResourceType, remove>;
  table.inspect = operation<ResourceType, inspect>;
  table.attach = operation<ResourceType, attach>;
  table.cost = operation<ResourceType, cost>;
  table.alter = operation<ResourceType, alter>;
  return table;
}

template <class Type, class Table>
struct Offered {
  explicit Offered(std::unique_ptr<Type> made) : type(std::move(made)), table(table_of(*type)) {}
  std::unique_ptr<Type> type;
  Table table;
};

}  // namespace detail

// The plugin as a whole: its constructor adds the types.
class Plugin {
 public:
  Plugin() = default;
  virtual ~Plugin() = default;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  // The administrator's settings for this plugin. Called once, before any other function; throws Invalid for what it does not take.
  virtual void configure(const Call&, const Json& settings) {
    Fields fields(settings);
    fields.refuse_others();
    fields.finish();
  }

  // Writes as much of the plugin's table as the server knows.
  void fill(velocity_plugin& out) {
    velocity_plugin table{};
    table.struct_size = std::min<std::uint64_t>(out.struct_size, sizeof table);
    table.abi_minor = VELOCITY_ABI_MINOR;
    table.vm_type_count = static_cast<std::uint32_t>(vm_tables_.size());
    table.resource_type_count = static_cast<std::uint32_t>(resource_tables_.size());
    table.vm_types = vm_tables_.data();
    table.resource_types = resource_tables_.data();
    table.self = this;
    table.configure = [](void* self, const velocity_call* call, velocity_text request, const velocity_sink* reply) {
      return detail::answer(reply, [&] {
        static_cast<Plugin*>(self)->configure(Call(call), Json::parse(std::string_view(request.data, static_cast<std::size_t>(request.size))));
        return Json::object();
      });
    };
    std::memcpy(&out, &table, static_cast<std::size_t>(table.struct_size));
  }

 protected:
  template <class Type, class... Arguments>
  Type& add(Arguments&&... arguments) {
    auto made = std::make_unique<Type>(std::forward<Arguments>(arguments)...);
    auto& type = *made;
    if constexpr (std::is_base_of_v<VmType, Type>) {
      vms_.push_back(std::make_unique<detail::Offered<VmType, velocity_vm_type>>(std::move(made)));
      vm_tables_.push_back(&vms_.back()->table);
    } else {
      resources_.push_back(std::make_unique<detail::Offered<ResourceType, velocity_resource_type>>(std::move(made)));
      resource_tables_.push_back(&resources_.back()->table);
    }
    return type;
  }

 private:
  std::vector<std::unique_ptr<detail::Offered<VmType, velocity_vm_type>>> vms_;
  std::vector<std::unique_ptr<detail::Offered<ResourceType, velocity_resource_type>>> resources_;
  std::vector<const velocity_vm_type*> vm_tables_;
  std::vector<const velocity_resource_type*> resource_tables_;
};

namespace detail {

template <class Made>
velocity_status enter(velocity_plugin* out, const velocity_sink* reply) noexcept {
  return answer(reply, [&] {
    static Made& plugin = *new Made;  // for the life of the process: the tables point into it
    plugin.fill(*out);
    return Json::object();
  });
}

}  // namespace detail
}  // namespace sdk
}  // namespace velocity

// Once in one source file of a plugin.
#define VELOCITY_PLUGIN(Class)                                                                                                          \
  extern "C" VELOCITY_EXPORT velocity_status velocity_plugin_entry_v1(const velocity_call*, velocity_plugin* out, const velocity_sink* reply) { \
    return ::velocity::sdk::detail::enter<Class>(out, reply);                                                                           \
  }
