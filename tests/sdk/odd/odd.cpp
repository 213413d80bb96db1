// Goes wrong in the way that its settings say, each for one check of the conformance suite: {"way": "random"}. Without one it does nothing wrong.
#include <velocity/plugin.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>

namespace {

using namespace velocity::sdk;

std::string way;
int calls = 0;

bool is(const char* wanted) { return way == wanted; }

// What loading may not do.
void misbehave_at_load() {
  if (is("thread")) new std::thread([] { pause(); });
  if (is("printing")) std::puts("hello");
  if (is("process") && fork() == 0)
    for (;;) pause();
  if (is("file")) [[maybe_unused]] const int kept = dup(2);
  if (is("slow"))
    while (std::clock() < 3 * CLOCKS_PER_SEC / 2) {
    }
}

class Odd final : public VmType {
 public:
  Description describe() const override {
    Description said;
    said.type = "odd";
    said.title = is("changing-title") ? "Odd " + std::to_string(++calls) : "Odd";
    said.schema = Json::parse(R"json({"type": "object", "properties": {"text": {"type": "string"}}})json");
    said.schema["additionalProperties"] = is("open");
    if (is("unknown-keyword")) said.schema["minimun"] = 1;
    said.examples = Json::parse(is("no-example") ? "[]" : is("bad-example") ? R"([{"txt": "a"}])" : R"([{"text": "a"}])");
    return said;
  }

  Json validate(const Json& spec) const override {
    auto kept = spec;
    if (is("never-done")) kept["text"] = spec.value("text", "") + "x";
    if (is("throws")) throw std::runtime_error("not even the example");
    return kept;
  }

  std::vector<Fragment> plan(const PlanRequest& request) const override {
    const auto text = request.spec.value("text", "");
    if (is("dies-of-nonsense") && request.vmid.empty()) std::abort();
    if (is("dies-of-long-texts") && request.name.size() > 1000) try {
        const std::string copy(request.name.size() * 2, 'x');
        calls += static_cast<int>(copy.size());
      } catch (const std::bad_alloc&) {
        std::abort();
      }
    std::string os = "<os><type>hvm</type>";
    if (is("random") && ++calls % 2 == 1) os += "<bootmenu enable='no'/>";
    if (is("injected")) os += "<cmdline>" + text + "</cmdline>";
    if (is("too-long-a-menu")) os += "<bootmenu enable='yes' timeout='70000'/>";
    std::vector<Fragment> fragments{{"os", os + "</os>"}};
    if (is("forbidden")) fragments.push_back({"devices", "<hostdev mode='subsystem' type='pci'/>"});
    return fragments;
  }
};

struct OddPlugin final : Plugin {
  OddPlugin() { add<Odd>(); }
  void configure(const Call&, const Json& settings) override {
    way = settings.value("way", "");
    misbehave_at_load();
  }
};

}  // namespace

VELOCITY_PLUGIN(OddPlugin)
