// The type's own examples as specs that can be planned, and the requests made of them.
#include <fstream>
#include <iterator>

#include "sdk/conformance/subject.hpp"

namespace velocity::conformance {
namespace {

constexpr std::size_t kHead = 4096;

// Base64, as the server hands over an image's first bytes.
std::string encoded(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) text += at + i > bytes.size() ? '=' : kAlphabet[bits >> (18 - 6 * i) & 63U];
  }
  return text;
}

std::string head_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes(kHead, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  if (bytes.empty()) throw Failed("nothing can be read from " + file.string());
  return bytes;
}

// The fields of the example that name resources but have no file; what names one that has gets it.
std::string supply(const plugin::TypeInfo& info, const Options& options, const Json& spec, Json& for_validate, Json& for_plan) {
  for (const auto& [field, kind] : info.resources) {
    if (!spec.contains(field)) continue;
    const auto file = options.resources.find(field);
    if (file == options.resources.end()) return field;
    const Json known{{"rid", spec.at(field)}, {"type", "disk-image"}, {"spec", {{"format", "raw"}, {"size_mb", 1}}}};
    for_validate[field] = for_plan[field] = known;
    for_validate[field]["head"] = encoded(head_of(file->second));
    for_plan[field]["path"] = std::filesystem::absolute(file->second).string();
  }
  return {};
}

}  // namespace

std::vector<Example> Subject::examples() const {
  const auto& info = either().info();
  if (info.examples.empty()) throw Failed("describe gives no example: give one that a person would begin with");
  std::vector<Example> usable;
  std::string missing;
  for (const auto& example : info.examples) {
    Json for_validate = Json::object(), for_plan = Json::object();
    const auto without = supply(info, options, example, for_validate, for_plan);
    if (without.empty()) usable.push_back({either().validate(example, for_validate), for_plan});
    else missing = without;
  }
  if (usable.empty()) throw Skipped("its examples name a resource: give its file with --resource " + missing + "=FILE");
  return usable;
}

Json Subject::planning_request(const Example& example, const Json& on) const {
  constexpr auto* kMachine = "7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f";
  constexpr auto* kResource = "2de02519-c347-432c-9923-3753c3538e02";
  if (is_vm())
    return {{"vm", {{"vmid", kMachine}, {"name", "example"}, {"cpu_count", 1}, {"memory_size_mb", 128}, {"displays", Json::array()},
                    {"directory", "/state/machines/" + std::string(kMachine)}}},
            {"spec", example.spec}, {"resources", example.resources}, {"host", on}};
  Json options = Json::object();
  if (resource().kind() == model::ResourceKind::nic) options["mac_address"] = "52:54:00:12:34:56";  // the server gives every NIC one
  return {{"rid", kResource}, {"spec", example.spec}, {"path", "/state/pools/" + std::string(kResource)}, {"directory", "/state/run/" + std::string(kResource)},
          {"options", options}, {"index", 0}, {"vm", {{"vmid", kMachine}}}, {"host", on}};
}

std::vector<plugin::PlanFragment> Subject::planned(const Json& request) const { return is_vm() ? vm().plan(request).fragments : resource().attach(request); }

}  // namespace velocity::conformance
