// The types that loaded plugins bring. Included by the services; how a plugin is found, checked and loaded is in loader.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "framework/model/error.hpp"
#include "framework/model/json.hpp"
#include "framework/model/resource.hpp"

namespace velocity::plugin {

using model::Json;

// What a type's `describe` said, checked.
struct TypeInfo {
  std::string type;      // as in the URL: efi, disk-image
  std::string title;
  std::string plugin;    // the plugin's name
  std::string version;   // the plugin's version
  Json schema;           // JSON Schema draft 7 of the type's own fields
  Json examples;         // array of valid own-field objects
  Json capabilities;     // object; for resources has "kind": "storage" | "nic"
  std::map<std::string, model::ResourceKind> resources;  // the fields of a spec that name resources, of which kind
  std::vector<std::string> confidential;                 // the fields of a spec that only who may alter is shown
};

// Something that the host has by itself: what `enumerate` said, checked.
struct FoundItem {
  std::string id;
  std::string label;
  Json spec;
};

// What `host_check` said: whether the type works on this host.
struct Availability {
  bool available = true;
  std::string why_not;   // a sentence for people
};

// Every call below crosses into the plugin: thread-safe, exceptions and C++ types do not cross, replies are parsed with limits and checked.
// Errors: request_invalid with the plugin's problems (paths relative to the spec, so "/size_mb"), plugin_failed for anything else.
class Type {
 public:
  virtual ~Type() = default;
  virtual const TypeInfo& info() const = 0;
  virtual Availability host_check(const Json& host) const = 0;
  // Checks the spec against the schema (filling its defaults), then lets the plugin judge it. Returns the normalised spec.
  // resources: what the spec names, by field: {"rid", "type", "spec", "head"}.
  virtual Json validate(const Json& spec, const Json& resources = Json::object()) const = 0;
  // What of a normalised spec not everybody may ask for (capabilities.unprivileged); empty when there is nothing of the kind.
  virtual std::vector<model::Problem> privileged(const Json& spec) const = 0;
};

struct PlanFragment {
  std::string section;  // os, cpu, features, clock, sysinfo, devices, extensions
  std::string xml;
};

// A CD image with texts in its root.
struct IsoImage {
  std::string label;
  std::map<std::string, std::string> entries;
};

// The configuration of an Apple system management controller.
struct AppleSmc {
  std::string key;
};

// A file that the core makes in the machine's own directory before each start.
struct PlanFile {
  std::string name;  // lower-case letters, digits, '.' and '-'
  std::variant<IsoImage, AppleSmc> content;
};

struct Plan {
  std::vector<PlanFragment> fragments;
  std::vector<PlanFile> files;
};

class VmType : public Type {
 public:
  // request: {"vm": {vmid,name,cpu_count,memory_size_mb,displays:[{description,width,height}],directory}, "spec": own fields,
  // "resources": {field: {rid,type,spec,path}}, "host": {arch,acceleration,domain_type}}
  virtual Plan plan(const Json& request) const = 0;
  virtual std::vector<std::string> live_changes(const Json& old_spec, const Json& new_spec) const = 0;  // paths that a running machine follows
};

class ResourceType : public Type {
 public:
  virtual model::ResourceKind kind() const = 0;
  virtual std::vector<FoundItem> enumerate(const Json& host) const = 0;
  virtual void create(const Json& request) const = 0;  // {"rid", "spec", "resources"}: idempotent
  virtual void remove(const Json& request) const = 0;  // {"rid", "spec"}: idempotent
  virtual void alter(const Json& request) const = 0;   // {"rid", "old", "new"}: idempotent; request_invalid when the type cannot
  virtual Json inspect(const Json& request) const = 0;  // {"rid", "spec", "directory"}: what clients are shown beside the spec
  // request: {"rid", "spec", "path" (file-backed), "directory", "options", "index" (position in the machine's list), "vm": {vmid}, "host"} → device fragments
  virtual std::vector<PlanFragment> attach(const Json& request) const = 0;
  virtual std::map<std::string, std::int64_t> cost(const Json& spec) const = 0;  // quota dimensions, e.g. storage_mb
};

// What the server lends to plugins. Implemented by the service room; called on the thread of the plugin's own call.
class HostServices {
 public:
  virtual ~HostServices() = default;
  virtual void log(std::string_view plugin, int level, std::string_view message) = 0;  // level: spdlog's 0..4
  // The services are listed in sdk/include/velocity/abi.h. Throws model::Error.
  virtual Json call(std::string_view plugin, std::string_view service, const Json& request) = 0;
};

// One line of the plugin list: each file found, loaded or not.
struct PluginReport {
  std::filesystem::path file;
  std::string name, version, licence;
  std::string status;               // loaded, refused, disabled
  std::string code, cause, fix;     // for refused
  std::vector<std::string> provides;  // "vm/efi", "resource/disk-image"
};

// The report as one line, for the log and for people.
std::string line_of(const PluginReport& report);

struct RegistrySettings {
  std::vector<std::filesystem::path> directories;  // the first that has a file name wins
  std::vector<std::string> disabled;               // plugin names
  std::filesystem::path probe_program;             // velocity-plugin, run as `probe_program probe FILE` in a child to try an unknown plugin; empty: no probe
  std::filesystem::path cache;                     // where probe verdicts are kept, by content; empty: none
  Json configuration = Json::object();             // by plugin name
  std::map<std::string, std::string> broken_drop_ins{};  // by plugin name: why its file in plugins.d is not understood
  std::chrono::milliseconds probe_deadline{5000};  // for the child
};

// Loads at construction; afterwards immutable, so every function is safe from any thread. Plugins stay loaded until the process ends.
class Registry {
 public:
  Registry(RegistrySettings settings, HostServices& services);
  ~Registry();

  const VmType* find_vm_type(std::string_view type) const;
  const ResourceType* find_resource_type(std::string_view type) const;
  std::vector<const VmType*> vm_types() const;              // by name
  std::vector<const ResourceType*> resource_types() const;  // by name
  const std::vector<PluginReport>& plugins() const;

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace velocity::plugin
