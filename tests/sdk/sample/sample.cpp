// A VM type that uses what a compiler or a standard library could do in a way of its own: exceptions, containers, locales, statics, threads' locals.
#include <velocity/pc.hpp>

#include <map>
#include <mutex>
#include <set>
#include <sstream>

namespace {

using namespace velocity::sdk;

const std::map<std::string, std::string> kMachines{{"modern", "q35"}, {"classic", "pc"}};
thread_local std::string last;
std::mutex mutex;
std::set<std::string> seen;

class Sample final : public VmType {
 public:
  Description describe() const override {
    Description said;
    said.type = SAMPLE_TYPE;
    said.title = "Sample";
    said.schema = Json::parse(R"json({"type": "object", "additionalProperties": false, "properties": {
      "chipset": {"type": "string", "enum": ["modern", "classic"], "default": "modern"},
      "words": {"type": "array", "maxItems": 8, "items": {"type": "string", "maxLength": 64}, "default": []}}})json");
    said.examples = Json::parse(R"json([{}, {"chipset": "classic", "words": ["a", "b"]}])json");
    return said;
  }

  Json validate(const Json& spec) const override {
    std::vector<Problem> problems;
    std::set<std::string> once;
    const auto words = spec.value("words", Json::array());
    for (std::size_t i = 0; i < words.size(); ++i)
      if (!once.insert(words[i].get<std::string>()).second) problems.push_back({"/words/" + std::to_string(i), "stands there twice"});
    try {
      if (once.count("throw") > 0) throw std::out_of_range("thrown and caught inside");
    } catch (const std::exception& error) {
      problems.push_back({"/words", error.what()});
    }
    if (once.count("fail") > 0) throw std::runtime_error("thrown through the layer");
    if (!problems.empty()) throw Invalid(std::move(problems));
    return spec;
  }

  std::vector<Fragment> plan(const PlanRequest& request) const override {
    std::ostringstream text;
    for (const auto& word : request.spec.value("words", Json::array())) text << word.get<std::string>() << ' ';
    last = text.str();
    {
      const std::lock_guard lock(mutex);
      if (seen.size() < 100) seen.insert(last);
    }
    xml::Element os("os");
    auto& type = os.child("type").text("hvm");
    if (!pc::is_pretended(request.host)) type.attribute("arch", "x86_64").attribute("machine", kMachines.at(request.spec.value("chipset", "modern")));
    return {{"os", os.str()}};
  }
};

struct SamplePlugin final : Plugin {
  SamplePlugin() { add<Sample>(); }
};

}  // namespace

VELOCITY_PLUGIN(SamplePlugin)
