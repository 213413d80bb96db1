// The C++20 layer over abi.h for plugin authors, header-only: it is compiled into the plugin, so nothing of it crosses the boundary.
// Needs nlohmann/json and nothing else.
//
//   class Example : public velocity::sdk::VmType { … describe(), plan() … };
//   struct Plugin : velocity::sdk::Plugin { Plugin() { add<Example>(); } };
//   VELOCITY_PLUGIN(Plugin)
//
// Throw Invalid for wrong input and Failure for anything else; no exception leaves the plugin.
#pragma once

#include <velocity/abi.h>
#include <velocity/fields.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace velocity {
namespace [[gnu::visibility("hidden")]] sdk {

struct Host {
  std::string arch;          // x86_64
  std::string acceleration;  // kvm or tcg
  std::string domain_type;   // kvm, qemu or test
};

struct Description {
  std::string type;   // as in the URL: a lower-case letter, then letters, digits and '-'
  std::string title;
  Json schema;        // JSON Schema draft 7 of the type's own fields
  Json examples = Json::array();
  Json capabilities = Json::object();
};

struct Availability {
  bool available = true;
  std::string why_not = {};  // a sentence for people
};

// A piece of libvirt domain XML for one section: os, cpu, features, clock or devices. Write it with xml.hpp.
struct Fragment {
  std::string section;
  std::string xml;
};

struct Display {
  std::string description;
  std::int64_t width = 0, height = 0;  // px
};

struct PlanRequest {
  std::string vmid, name;
  std::int64_t cpu_count = 0, memory_size_mb = 0;
  std::vector<Display> displays;
  Json spec;
  Host host;
};

struct AttachRequest {
  std::string rid, vmid;
  std::string path;        // the resource's file, if it has one
  std::int64_t index = 0;  // its place in the machine's list
  Json spec;
  Json options;            // what the machine's list says beside the id
  Host host;
};

// What the server lends for the time of one call. Not to be kept.
class Call {
 public:
  explicit Call(const velocity_call* call) : call_(call) {}

  void log(int level, std::string_view message) const {
    if (call_ && VELOCITY_HAS(call_, log)) call_->log(call_->context, level, {message.data(), message.size()});
  }

  // Asks the server to do something, for example "volume.create". Throws Failure when it cannot.
  Json service(std::string_view name, const Json& request) const {
    if (!call_ || !VELOCITY_HAS(call_, service)) throw Failure("the server offers no services");
    const auto text = request.dump();
    std::string reply;
    const velocity_sink sink{sizeof(velocity_sink), &reply, [](void* context, velocity_text piece) {
                               static_cast<std::string*>(context)->append(piece.data, static_cast<std::size_t>(piece.size));
                             }};
    const auto status = call_->service(call_->context, {name.data(), name.size()}, {text.data(), text.size()}, &sink);
    if (status != VELOCITY_OK) throw Failure(std::string(name) + " failed: " + reply);
    return reply.empty() ? Json::object() : Json::parse(reply);
  }

 private:
  const velocity_call* call_;
};

// A type that machines can have. Every function is called from any thread, several at once.
class VmType {
 public:
  virtual ~VmType() = default;
  virtual Description describe() const = 0;
  virtual Availability host_check(const Host&) const { return {}; }
  virtual Json validate(const Json& spec) const { return spec; }  // the spec that is stored; throws Invalid
  virtual std::vector<Fragment> plan(const PlanRequest&) const = 0;
};

class ResourceType {
 public:
  virtual ~ResourceType() = default;
  virtual Description describe() const = 0;  // capabilities has "kind": "storage" or "nic"
  virtual Availability host_check(const Host&) const { return {}; }
  virtual Json validate(const Json& spec) const { return spec; }
  virtual void create(const Call&, const std::string& /*rid*/, const Json& /*spec*/) const {}  // idempotent
  virtual void remove(const Call&, const std::string& /*rid*/, const Json& /*spec*/) const {}  // idempotent
  virtual std::vector<Fragment> attach(const AttachRequest&) const = 0;
  virtual std::map<std::string, std::int64_t> cost(const Json& /*spec*/) const { return {}; }
};

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
  return {host.value("arch", ""), host.value("acceleration", ""), host.value("domain_type", "")};
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

template <class Type>
Json validate(const Type& type, const Call&, const Json& request) {
  return {{"spec", type.validate(request.at("spec"))}};
}

inline Json plan(const VmType& type, const Call&, const Json& request) {
  const auto& vm = request.at("vm");
  PlanRequest plan{vm.value("vmid", ""), vm.value("name", ""), number(vm, "cpu_count"), number(vm, "memory_size_mb"), {},
                   request.value("spec", Json::object()), host_of(request)};
  for (const auto& display : vm.value("displays", Json::array()))
    plan.displays.push_back({display.value("description", ""), number(display, "width"), number(display, "height")});
  return json_of(type.plan(plan));
}

inline Json create(const ResourceType& type, const Call& call, const Json& request) {
  type.create(call, request.at("rid").get<std::string>(), request.at("spec"));
  return Json::object();
}

inline Json remove(const ResourceType& type, const Call& call, const Json& request) {
  type.remove(call, request.at("rid").get<std::string>(), request.at("spec"));
  return Json::object();
}

inline Json attach(const ResourceType& type, const Call&, const Json& request) {
  const auto vm = request.value("vm", Json::object());
  return json_of(type.attach({request.at("rid").get<std::string>(), vm.value("vmid", ""), request.value("path", ""), number(request, "index"),
                              request.at("spec"), request.value("options", Json::object()), host_of(request)}));
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
  return table;
}

inline velocity_resource_type table_of(ResourceType& type) {
  velocity_resource_type table{};
  table.struct_size = sizeof table;
  table.self = &type;
  table.describe = operation<ResourceType, describe<ResourceType>>;
  table.host_check = operation<ResourceType, host_check<ResourceType>>;
  table.validate = operation<ResourceType, validate<ResourceType>>;
  table.create = operation<ResourceType, create>;
  table.remove = operation<ResourceType, remove>;
  table.attach = operation<ResourceType, attach>;
  table.cost = operation<ResourceType, cost>;
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
