// Five hundred damaged plugins through the loader's checks, with the real probe in a child: none may crash or hang the process that
// looks at them. The damage is the same in every run; VELOCITY_MUTATIONS says how many.
#include <elf.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>

#include "framework/plugin/prober.hpp"
#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

class MutationTest : public PluginTest {
 protected:
  std::size_t any(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_); }

  // Somewhere in what the loader reads: the headers, a segment's start, or anywhere.
  std::size_t place(const std::string& file) {
    switch (any(3)) {
      case 0:
        return any(std::min<std::size_t>(file.size(), 1024));
      case 1: {
        Elf64_Ehdr header;
        std::memcpy(&header, file.data(), sizeof header);
        Elf64_Phdr segment;
        std::memcpy(&segment, file.data() + header.e_phoff + any(header.e_phnum) * sizeof segment, sizeof segment);
        return std::min(file.size() - 1, segment.p_offset + any(std::min<std::size_t>(segment.p_filesz + 1, 512)));
      }
      default:
        return any(file.size());
    }
  }

  std::string mutated(std::string file) {
    const auto whole = file;
    switch (any(8)) {
      case 0:
        file.resize(any(file.size()));
        break;
      case 1:
        file.append(1 + any(5000), static_cast<char>(any(256)));
        break;
      case 2: {
        const auto at = place(whole);
        for (std::size_t i = at; i < std::min(at + 8, file.size()); ++i) file[i] = static_cast<char>(any(2) ? 0xff : 0);
        break;
      }
      default:
        for (std::size_t flips = 1 + any(4); flips > 0; --flips) file[place(whole)] ^= static_cast<char>(1U << any(8));
    }
    return file;
  }

  std::mt19937 random_{20240607};
};

TEST_F(MutationTest, NoDamagedPluginHarmsTheProcessThatLooksAtIt) {
  const auto* wanted = std::getenv("VELOCITY_MUTATIONS");
  const int count = wanted ? std::atoi(wanted) : 500;
  const std::string originals[] = {read(bad("minimal")), read(good("efi"))};
  const Prober prober(VELOCITY_PROBE, {}, std::chrono::seconds(5));
  std::map<std::string, int> outcomes;
  for (int i = 0; i < count; ++i) {
    // Mostly the small one: it is nearly all structure.
    const auto file = write("mutant.so", mutated(originals[i % 10 == 0 ? 1 : 0]));
    const auto candidate = examine(file);
    const auto refusal = candidate.refusal ? candidate.refusal : prober.fault(candidate);
    EXPECT_FALSE(refusal && refusal->cause.empty());
    ++outcomes[refusal ? refusal->code : "harmless"];
  }
  int total = 0;
  for (const auto& [outcome, times] : outcomes) {
    RecordProperty(outcome, times);
    std::cout << outcome << " " << times << "\n";
    total += times;
  }
  EXPECT_EQ(total, count);
  EXPECT_EQ(outcomes["plugin.probe_impossible"], 0);
  EXPECT_GT(outcomes["harmless"], 0) << "the unharmed parts are large: if nothing passes, nothing was tried";
}

}  // namespace
}  // namespace velocity::plugin
