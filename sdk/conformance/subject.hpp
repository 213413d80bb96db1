// The plugin under test, in the process of one check, and what its host lends it. Included by the files of this folder.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/plugin/candidate.hpp"
#include "framework/plugin/loaded_types.hpp"
#include "framework/plugin/module.hpp"
#include "sdk/conformance/suite.hpp"

namespace velocity::conformance {

using model::Json;

// Thrown by a check: the plugin does not do what the contract asks; or it does not offer what the check is about.
struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Skipped : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A host without a hypervisor that notes what it is asked for. From any thread.
class MockHost final : public plugin::HostServices {
 public:
  void log(std::string_view, int, std::string_view) override {}
  Json call(std::string_view plugin, std::string_view service, const Json& request) override;

  std::vector<std::pair<std::string, Json>> asked;
  bool refusing = false;  // every service fails
};

// What the server says of a host that runs guests in emulation.
Json emulating_host();

struct Operation {
  std::string name;
  velocity_operation function;
};

// What came back over the boundary, as it was.
struct Raw {
  velocity_status status = VELOCITY_FAILED;
  std::string text;
  bool starved = false;  // the allocation that was to fail was asked for
};

// A usable example of the type: normalised, with what it names.
struct Example {
  Json spec;
  Json resources;  // {field: {"rid","type","spec","path"}}
};

class Subject {
 public:
  // type: "vm/example", or empty for no type in particular. Throws Failed for a plugin that cannot be loaded.
  Subject(const Options& options, const std::string& type);

  const Options& options;
  MockHost host;
  std::string type;

  bool is_vm() const { return vm_ != nullptr; }
  const plugin::VmType& vm() const { return *vm_; }
  const plugin::ResourceType& resource() const { return *resource_; }
  const plugin::Type& either() const { return vm_ ? static_cast<const plugin::Type&>(*vm_) : *resource_; }

  std::vector<Operation> operations() const;  // that the type offers
  bool offers(std::string_view operation) const;
  // Calls an operation with a request that need not make sense. Throws Failed when an exception comes out of it or its reply breaks the rules.
  // starve: which of its larger allocations fails; none when negative.
  Raw call(const Operation& operation, std::string_view request, long starve = -1);

  Json describe() const;  // what the plugin said, unchecked
  // The examples that can be used here; throws Skipped when there is none because a resource's file is not given.
  std::vector<Example> examples() const;
  // The request of the type's own pure operation, plan or attach, and its reply.
  Json planning_request(const Example& example, const Json& on = emulating_host()) const;
  std::vector<plugin::PlanFragment> planned(const Json& request) const;

 private:
  void find(const plugin::Candidate& candidate);

  std::shared_ptr<const plugin::Module> module_;
  velocity_vm_type vm_table_{};
  velocity_resource_type resource_table_{};
  std::unique_ptr<plugin::VmType> vm_;
  std::unique_ptr<plugin::ResourceType> resource_;
};

// The checks of each level, in their order.
struct Check {
  int level;
  const char* name;
  const char* title;
  bool of_a_type;
  void (*run)(Subject&);  // returns, or throws Failed or Skipped
};
std::vector<Check> loading_checks();
std::vector<Check> contract_checks();
std::vector<Check> planning_checks();
std::vector<Check> libvirt_checks();

// Loads nothing yet: L0 looks at how the plugin loads.
void check_file(const Options& options);
void check_loading(const Options& options);
void check_exports(const Options& options);
void check_calm(const Options& options);
void check_other_hosts(const Options& options);

// Lets the nth allocation of this thread fail that is of kStarving bytes or more, counted from now. Smaller ones do not fail: nlohmann/json
// allocates in its destructors, where there is no way to say so. Not in a program with a sanitizer, whose allocator is not ours to replace.
inline constexpr std::size_t kStarving = 1024;
bool can_starve();
void starve_from(long nth);
bool feed();  // ends it; whether an allocation has failed

}  // namespace velocity::conformance
