// What the plugin boundary costs: loading all plugins of a directory, and a call of `plan` against the same code called directly. Both begin with
// the same document and end with the same plan, checked: the boundary is what is between, JSON written and read twice.
// usage: plugin_boundary PLUGINS PROBE CACHE. Prints {"load_ms", "plan_us", "direct_us", "ratio"}; the cache is warm after the first run.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <vector>

#include "framework/plugin/loaded_types.hpp"
#include "framework/plugin/plan_files.hpp"
#include "framework/plugin/registry.hpp"
#include "plugins/kboot/kboot.cpp"

namespace {

using Clock = std::chrono::steady_clock;

class NoServices final : public velocity::plugin::HostServices {
  void log(std::string_view, int, std::string_view) override {}
  Json call(std::string_view, std::string_view, const Json&) override { throw std::logic_error("no service is asked for"); }
};

template <class Call>
double microseconds(Call&& call) {
  constexpr int kCalls = 100;
  const auto begin = Clock::now();
  for (int i = 0; i < kCalls; ++i) call();
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count() / kCalls;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  velocity::plugin::RegistrySettings settings;
  settings.directories = {argv[1]};
  settings.probe_program = argv[2];
  settings.cache = argv[3];
  NoServices services;
  const auto begin = Clock::now();
  const velocity::plugin::Registry registry(settings, services);
  const auto load = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  for (const auto& report : registry.plugins())
    if (report.status != "loaded") throw std::runtime_error(velocity::plugin::line_of(report));

  const auto* loaded = registry.find_vm_type("kboot");
  if (!loaded) throw std::runtime_error("kboot is not among the plugins");
  const Json request{{"vm", {{"vmid", "7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f"}, {"name", "a"}, {"cpu_count", 2}, {"memory_size_mb", 512},
                             {"displays", {{{"description", "screen"}, {"width", 1024}, {"height", 768}}}}, {"directory", "/state/machines/a"}}},
                     {"spec", {{"kernel", "6f1c1b3e-6d3a-4b1e-9a55-0d1f6f0e7c11"}, {"cmdline", "console=ttyS0"}}},
                     {"resources", {{"kernel", {{"rid", "6f1c1b3e-6d3a-4b1e-9a55-0d1f6f0e7c11"}, {"type", "disk-image"},
                                                {"spec", {{"format", "raw"}}}, {"path", "/state/pools/kernel"}}}}},
                     {"host", {{"arch", "x86_64"}, {"acceleration", "tcg"}, {"domain_type", "qemu"}, {"privileged", true}}}};
  const Kboot direct;
  const velocity::sdk::Call nobody(nullptr);
  // In turns, since the processor's clock and its neighbours change from one moment to the next: what they do, they do to both.
  std::vector<double> across, within, ratios;
  for (int round = 0; round < 101; ++round) {
    across.push_back(microseconds([&] { return loaded->plan(request).fragments.size(); }));
    within.push_back(microseconds([&] {
      const auto reply = velocity::sdk::detail::plan(direct, nobody, request);
      return velocity::plugin::fragments_of(reply, "").size() + velocity::plugin::files_of(reply, "").size();
    }));
    ratios.push_back(across.back() / within.back());
  }
  std::printf("{\"load_ms\": %.2f, \"plan_us\": %.2f, \"direct_us\": %.2f, \"ratio\": %.3f}\n", load, median(across), median(within), median(ratios));
}
