#include "framework/plugin/registry.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "framework/plugin/candidate.hpp"
#include "framework/plugin/loader.hpp"
#include "framework/plugin/prober.hpp"
#include "framework/plugin/schema.hpp"

namespace velocity::plugin {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> plugin_files(const std::vector<fs::path>& directories) {
  std::vector<fs::path> files;
  std::set<fs::path> names;
  for (const auto& directory : directories) {
    std::vector<fs::path> here;
    std::error_code absent;
    for (fs::directory_iterator entry(directory, absent), end; !absent && entry != end; entry.increment(absent))
      if (entry->path().extension() == ".so") here.push_back(entry->path());
    std::sort(here.begin(), here.end());
    for (auto& file : here)
      if (names.insert(file.filename()).second) files.push_back(std::move(file));
  }
  return files;
}

PluginReport report_of(const Candidate& candidate) {
  const auto& manifest = candidate.manifest;
  PluginReport report;
  report.file = candidate.file;
  report.name = manifest.name.empty() ? candidate.file.stem().string() : manifest.name;
  report.version = manifest.version;
  report.licence = manifest.licence;
  report.provides = manifest.provides;
  return report;
}

// The administrator's settings, with the defaults of the plugin's own schema, if its manifest has one.
std::optional<Refusal> hold_to_schema(const Manifest& manifest, Json& settings) {
  if (manifest.settings.is_null()) return std::nullopt;
  try {
    settings = Schema(manifest.settings).normalise(settings);
    return std::nullopt;
  } catch (const model::Error& error) {
    std::vector<std::string> lines;
    for (const auto& [path, message] : error.problems()) lines.push_back(path + " " + message);
    return Refusal{"plugin.settings_invalid", fmt::format("its settings are wrong: {}", fmt::join(lines, "; ")),
                   "correct them in plugins.d or in the configuration file; velocity-plugin inspect shows what there is"};
  }
}

template <class Type>
const Type* find(const std::map<std::string, std::unique_ptr<Type>, std::less<>>& types, std::string_view type) {
  const auto found = types.find(type);
  return found == types.end() ? nullptr : found->second.get();
}

template <class Type>
std::vector<const Type*> list(const std::map<std::string, std::unique_ptr<Type>, std::less<>>& types) {
  std::vector<const Type*> all;
  for (const auto& [name, type] : types) all.push_back(type.get());
  return all;
}

}  // namespace

struct Registry::Contents {
  std::map<std::string, std::unique_ptr<VmType>, std::less<>> vm_types;
  std::map<std::string, std::unique_ptr<ResourceType>, std::less<>> resource_types;
  std::vector<PluginReport> reports;
  std::map<std::string, std::string> brought_by;  // "vm/efi" → plugin

  std::optional<Refusal> conflict(const Manifest& manifest) const {
    for (const auto& report : reports)
      if (report.status == "loaded" && report.name == manifest.name)
        return Refusal{"plugin.duplicate_name", fmt::format("the plugin {} is loaded already, from {}", report.name, report.file.string()), "remove one of the two"};
    for (const auto& type : manifest.provides)
      if (const auto taken = brought_by.find(type); taken != brought_by.end())
        return Refusal{"plugin.duplicate_type", fmt::format("{} is brought by the plugin {} already", type, taken->second), "remove or disable one of the two"};
    return std::nullopt;
  }

  std::optional<Refusal> take(const Candidate& candidate, const RegistrySettings& settings, const Prober& prober, HostServices& services) {
    const auto& manifest = candidate.manifest;
    if (candidate.refusal) return candidate.refusal;
    if (auto refusal = conflict(manifest)) return refusal;
    if (auto refusal = prober.fault(candidate)) return refusal;
    if (const auto broken = settings.broken_drop_ins.find(manifest.name); broken != settings.broken_drop_ins.end())
      return Refusal{"plugin.settings_invalid", broken->second, "correct the file, or remove it"};
    Brought brought;
    const auto& configuration = settings.configuration;
    auto own = configuration.is_object() && configuration.contains(manifest.name) ? configuration.at(manifest.name) : Json::object();
    if (auto refusal = hold_to_schema(manifest, own)) return refusal;
    if (auto refusal = bring_in(candidate, own, services, brought)) return refusal;
    for (auto& type : brought.vm_types) vm_types[type->info().type] = std::move(type);
    for (auto& type : brought.resource_types) resource_types[type->info().type] = std::move(type);
    for (const auto& type : manifest.provides) brought_by[type] = manifest.name;
    return std::nullopt;
  }
};

Registry::Registry(RegistrySettings settings, HostServices& services) : contents_(std::make_unique<Contents>()) {
  const Prober prober(settings.probe_program, settings.cache, settings.probe_deadline);
  std::vector<Candidate> candidates;
  for (const auto& file : plugin_files(settings.directories)) candidates.push_back(examine(file));
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.manifest.name < b.manifest.name; });
  for (const auto& candidate : candidates) {
    auto report = report_of(candidate);
    const auto& off = settings.disabled;
    if (std::find(off.begin(), off.end(), report.name) != off.end()) {
      report.status = "disabled";
    } else if (const auto refusal = contents_->take(candidate, settings, prober, services)) {
      report.status = "refused";
      report.code = refusal->code;
      report.cause = refusal->cause;
      report.fix = refusal->fix;
    } else {
      report.status = "loaded";
    }
    contents_->reports.push_back(std::move(report));
  }
}

std::string line_of(const PluginReport& report) {
  const auto file = report.file.string();
  if (report.status == "refused") return fmt::format("refused: {}: {}: {}. {}", file, report.code, report.cause, report.fix);
  return fmt::format("{}: {}: {} {} ({})", report.status, file, report.name, report.version, fmt::join(report.provides, ", "));
}

Registry::~Registry() = default;

const VmType* Registry::find_vm_type(std::string_view type) const { return find(contents_->vm_types, type); }

const ResourceType* Registry::find_resource_type(std::string_view type) const { return find(contents_->resource_types, type); }

std::vector<const VmType*> Registry::vm_types() const { return list(contents_->vm_types); }

std::vector<const ResourceType*> Registry::resource_types() const { return list(contents_->resource_types); }

const std::vector<PluginReport>& Registry::plugins() const { return contents_->reports; }

}  // namespace velocity::plugin
