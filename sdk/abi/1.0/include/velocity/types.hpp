// What an author writes a class for: a VM type or a resource type, with all that they are told and answer. Included by plugin.hpp, which
// makes the C ABI's tables of them; authors include that.
#pragma once

#include <velocity/abi.h>
#include <velocity/fields.hpp>

#include <map>
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
  bool privileged = true;    // whether the hypervisor may do what is root's, such as making taps
};

struct Description {
  std::string type;   // as in the URL: a lower-case letter, then letters, digits and '-'
  std::string title;
  Json schema;        // JSON Schema draft 7 of the type's own fields
  Json examples = Json::array();
  Json capabilities = Json::object();  // {"resources": {"kernel": {"kind": "storage"}}}: the fields that name resources; "confidential": ["cloud_init"]: those that only who may alter is shown
};

struct Availability {
  bool available = true;
  std::string why_not = {};  // a sentence for people
};

// A piece of libvirt domain XML for one section: os, cpu, features, clock, sysinfo, devices or extensions. Write it with xml.hpp.
struct Fragment {
  std::string section;
  std::string xml;
};

// A file that the server makes for a machine, anew before each start, in PlanRequest::directory; a fragment may name it there.
struct File {
  std::string name;  // lower-case letters, digits, '.' and '-'
  std::string kind;
  Json content;

  // A CD image with these texts in its root.
  static File iso9660(std::string name, std::string label, const std::map<std::string, std::string>& entries) {
    return {std::move(name), "iso9660", {{"label", std::move(label)}, {"entries", entries}}};
  }
  // What the extension <appleSmc config='…'/> reads: the key stays out of the domain's XML, of command lines and of logs.
  static File apple_smc(std::string name, std::string key) { return {std::move(name), "apple-smc", {{"key", std::move(key)}}}; }
};

struct Display {
  std::string description;
  std::int64_t width = 0, height = 0;  // px
};

// A resource that a field of the spec names, see Description::capabilities.
struct Resource {
  std::string rid, type;
  Json spec;
  std::string path;  // its file, if it has one; not in validate()
  std::string head;  // the first bytes of its file, 4 KiB at most; in validate() alone
};
using Resources = std::map<std::string, Resource>;  // by field

struct PlanRequest {
  std::string vmid, name;
  std::int64_t cpu_count = 0, memory_size_mb = 0;
  std::vector<Display> displays;
  std::string directory;  // the machine's own, see File
  Json spec;
  Resources resources;
  Host host;
};

// Something that the host has by itself.
struct Found {
  std::string id;     // stays the same for as long as it is the same thing
  std::string label;  // for people
  Json spec;
};

struct AttachRequest {
  std::string rid, vmid;
  std::string path;        // the resource's file, if it has one
  std::string directory;   // the resource's own, if directory.create was asked for
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
  virtual Json validate(const Json& spec, const Resources&) const { return validate(spec); }
  virtual Json validate(const Json& spec) const { return spec; }  // the spec that is stored; throws Invalid
  virtual std::vector<Fragment> plan(const PlanRequest&) const = 0;
  virtual std::vector<File> files(const PlanRequest&) const { return {}; }
  // The paths of those fields whose change a running machine follows at once; "/" and the field's name.
  virtual std::vector<std::string> live_changes(const Json& /*old_spec*/, const Json& /*new_spec*/) const { return {}; }
};

class ResourceType {
 public:
  virtual ~ResourceType() = default;
  virtual Description describe() const = 0;  // capabilities has "kind": "storage" or "nic"
  virtual Availability host_check(const Host&) const { return {}; }
  virtual Json validate(const Json& spec, const Resources&) const { return validate(spec); }
  virtual Json validate(const Json& spec) const { return spec; }
  virtual std::vector<Found> enumerate(const Call&, const Host&) const { return {}; }
  virtual void create(const Call& call, const std::string& rid, const Json& spec, const Resources&) const { create(call, rid, spec); }
  virtual void create(const Call&, const std::string& /*rid*/, const Json& /*spec*/) const {}  // idempotent
  virtual void remove(const Call&, const std::string& /*rid*/, const Json& /*spec*/) const {}  // idempotent
  virtual Json inspect(const std::string& /*rid*/, const Json& /*spec*/, const std::string& /*directory*/) const { return Json::object(); }
  virtual std::vector<Fragment> attach(const AttachRequest&) const = 0;
  // Makes the thing what its new spec says; idempotent. Throws Invalid for a change that is not possible.
  virtual void alter(const Call&, const std::string& /*rid*/, const Json& /*old_spec*/, const Json& /*new_spec*/) const {
    throw Invalid("", "cannot be altered");
  }
  virtual std::map<std::string, std::int64_t> cost(const Json& /*spec*/) const { return {}; }
};

}  // namespace sdk
}  // namespace velocity
