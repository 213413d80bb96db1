// Properties of the inspector over random damage: it never crashes, and what it takes points nowhere, by qemu-img's own word.
#include <algorithm>
#include <cstdlib>
#include <rapidcheck.h>

#include "tests/storage/pool_fixture.hpp"

namespace velocity::storage::test {
namespace {

// More cases than rapidcheck's hundred, unless RC_PARAMS says otherwise; it reads the variable at its first check.
const bool kManyCases = ::setenv("RC_PARAMS", "max_success=3000", 0) == 0;

struct Damage {
  std::size_t offset;
  std::size_t width;
  std::uint64_t value;
};

void showValue(const Damage& damage, std::ostream& out) { out << damage.width << " bytes at " << damage.offset << ": " << damage.value; }

// A number that means something, or is at the edge of something, or any.
rc::Gen<std::uint64_t> number() {
  return rc::gen::oneOf(rc::gen::element<std::uint64_t>(0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 16, 21, 63, 64, 72, 104, 112, 256, 512, 1024, 65536,
                                                        131072, 1ull << 31, 1ull << 40, 1ull << 63, ~0ull, 0xe2792aca, 0x44415441,
                                                        0x0537be77, 0x6803f857, 0x23852875),
                        rc::gen::inRange<std::uint64_t>(0, 300), rc::gen::arbitrary<std::uint64_t>());
}

rc::Gen<Damage> damage() {
  return rc::gen::construct<Damage>(rc::gen::oneOf(rc::gen::map(rc::gen::inRange<std::size_t>(0, 40), [](std::size_t i) { return i * 4; }),
                                                   rc::gen::inRange<std::size_t>(0, 600)),
                                    rc::gen::element<std::size_t>(1, 2, 4, 8), number());
}

MadeImage damaged(const std::vector<Damage>& damages) {
  const auto version = *rc::gen::element(2u, 3u);
  const auto cluster_bits = *rc::gen::element(9u, 12u, 16u);
  auto image = made_qcow2(version, cluster_bits);
  for (const auto& [offset, width, value] : damages) image.big(offset, width, value);
  // One time in four a name stands where a backing file's name would.
  if (*rc::gen::inRange(0, 4) == 0) image.put(*rc::gen::element<std::size_t>(112, 120, 256, 300), "/etc/hostname");
  if (*rc::gen::inRange(0, 8) == 0) image.cut(*rc::gen::inRange<std::size_t>(1, image.bytes().size()));
  return image;
}

// The virtual size when the image is taken, however it is cut.
std::optional<std::int64_t> verdict(const MadeImage& image, ImageFormat announced, std::size_t piece) {
  const auto bytes = std::as_bytes(std::span(image.bytes()));
  try {
    ImageInspector inspector(announced, static_cast<std::int64_t>(bytes.size()));
    for (std::size_t at = 0; at < bytes.size(); at += piece) inspector.feed(bytes.subspan(at, std::min(piece, bytes.size() - at)));
    return inspector.finish().virtual_size;
  } catch (const model::Error& error) {
    RC_ASSERT(name(error.code()).starts_with("image."));
    return std::nullopt;
  }
}

class InspectorProperty : public PoolTest {};

TEST_F(InspectorProperty, the_verdict_does_not_depend_on_the_pieces) {
  EXPECT_TRUE(rc::check([] {
    const auto image = damaged(*rc::gen::container<std::vector<Damage>>(damage()));
    for (const auto format : {ImageFormat::qcow2, ImageFormat::raw, ImageFormat::iso})
      RC_ASSERT(verdict(image, format, image.bytes().size()) == verdict(image, format, *rc::gen::inRange<std::size_t>(1, 2000)));
  }));
}

TEST_F(InspectorProperty, an_iso_with_damage_is_taken_or_refused) {
  EXPECT_TRUE(rc::check([] {
    auto image = made_iso();
    for (const auto& [offset, width, value] : *rc::gen::container<std::vector<Damage>>(damage()))
      image.big(*rc::gen::element<std::size_t>(0, 16, 17) * 2048 + offset, width, value);
    verdict(image, ImageFormat::iso, 4096);
  }));
}

TEST_F(InspectorProperty, what_is_taken_has_neither_backing_nor_data_file_by_qemu_imgs_word) {
  Sandbox sandbox({});
  const auto path = incoming("image");
  int taken = 0, agreed = 0;
  EXPECT_TRUE(rc::check([&] {
    const auto image = damaged(*rc::gen::resize(3, rc::gen::container<std::vector<Damage>>(damage())));
    const auto size = verdict(image, ImageFormat::qcow2, image.bytes().size());
    if (!size || taken == 150) return;  // a process each: enough is enough
    ++taken;
    image.write(path);
    std::string output;
    const auto end = sandbox.run({.arguments = {"info", "--output=json", "-f", "qcow2", std::string(Sandbox::kInput)}, .input = path},
                                 [&](std::string_view text) { output += text; });
    RC_ASSERT(end.success() || end.status == 1);
    if (!end.success()) return;
    const auto info = nlohmann::json::parse(output);
    RC_ASSERT(!info.contains("backing-filename") && !info.contains("full-backing-filename"));
    RC_ASSERT(!info.contains(nlohmann::json::json_pointer("/format-specific/data/data-file")));
    RC_ASSERT(!info.value("encrypted", false));
    RC_ASSERT(info.value("virtual-size", std::int64_t{-1}) == *size);
    ++agreed;
  }));
  EXPECT_GT(agreed, 20) << "too few of the " << taken << " that were taken could be opened by qemu-img: the test tests nothing";
}

}  // namespace
}  // namespace velocity::storage::test
