// Images as people have them: taken, with the facts that qemu-img tells, and rewritten so that a guest sees the same disk.
#include <ostream>

#include "tests/storage/pool_fixture.hpp"

namespace velocity::storage::test {
namespace {

struct GoodImage {
  std::string name;
  ImageFormat format = ImageFormat::qcow2;
  std::vector<std::string> convert;  // options of qemu-img convert; empty: made by hand
  std::size_t data = 3 << 20;        // bytes of noise between zeros
  MadeImage image = {};
};

void PrintTo(const GoodImage& good, std::ostream* out) { *out << good.name; }

std::vector<GoodImage> qcow2_images() {
  const auto qcow2 = ImageFormat::qcow2;
  return {
      {"version_3", qcow2, {"-o", "compat=1.1"}},
      {"version_2", qcow2, {"-o", "compat=0.10"}},
      {"compressed", qcow2, {"-c"}},
      {"compressed_with_zstd", qcow2, {"-c", "-o", "compression_type=zstd"}},
      {"smallest_clusters", qcow2, {"-o", "cluster_size=512"}},
      {"largest_clusters", qcow2, {"-o", "cluster_size=2M"}},
      {"subclusters", qcow2, {"-o", "extended_l2=on,cluster_size=128k"}},
      {"preallocated_metadata", qcow2, {"-o", "preallocation=metadata"}},
      {"preallocated_by_falloc", qcow2, {"-o", "preallocation=falloc"}},
      {"preallocated_in_full", qcow2, {"-o", "preallocation=full", "-S", "0"}},
      {"lazy_refcounts", qcow2, {"-o", "lazy_refcounts=on"}},
      {"refcounts_of_1_bit", qcow2, {"-o", "refcount_bits=1"}},
      {"refcounts_of_64_bits", qcow2, {"-o", "refcount_bits=64"}},
      {"with_every_cluster", qcow2, {"-S", "0"}},
      {"of_one_sector", qcow2, {"-o", "compat=1.1"}, 512},
  };
}

std::vector<GoodImage> other_images() {
  const auto raw = ImageFormat::raw;
  const auto iso = ImageFormat::iso;
  return {
      {"made_qcow2_of_version_2", ImageFormat::qcow2, {}, 0, made_qcow2(2)},
      {"made_qcow2_of_version_3", ImageFormat::qcow2, {}, 0, made_qcow2(3)},
      {"made_qcow2_with_large_clusters", ImageFormat::qcow2, {}, 0, made_qcow2(3, 16, 1 << 20)},
      {"qcow2_with_an_unknown_extension", ImageFormat::qcow2, {}, 0, with_extension(made_qcow2(), 0x12345678, "hello")},
      {"qcow2_with_an_unknown_compatible_bit", ImageFormat::qcow2, {}, 0, made_qcow2().big(80, 8, 1ull << 40)},
      {"raw_disk", raw, {"-O", "raw"}},
      {"raw_of_one_byte", raw, {}, 0, MadeImage(1, 'x')},
      {"raw_of_an_odd_length", raw, {}, 0, MadeImage(100001, 'x')},
      {"raw_of_zeros", raw, {}, 0, MadeImage(1 << 20)},
      {"raw_with_a_compressed_initrd", raw, {}, 0, MadeImage(4096, 'x').put(0, "\x1f\x8b\x08")},
      {"raw_that_starts_with_a_script", raw, {}, 0, MadeImage(4096, '\n').put(0, "#!/bin/sh\n# version=1\n")},
      {"raw_that_mentions_a_magic_elsewhere", raw, {}, 0, MadeImage(4096).put(512, "QFI\xfb").put(2048, "conectix")},
      {"raw_copy_of_a_cd", raw, {}, 0, made_iso()},
      {"iso", iso, {}, 0, made_iso()},
      {"iso_with_room_behind_it", iso, {}, 0, made_iso().cut(200 * 2048)},
      {"hybrid_iso", iso, {}, 0, made_iso().put(0, "\x45\x52\x08").put(510, "\x55\xaa")},
      {"iso_with_a_boot_record_first", iso, {}, 0,
       MadeImage(64 * 2048).put(17 * 2048, made_iso(64).bytes().substr(16 * 2048, 4096)).put(16 * 2048, std::string_view("\0CD001\1", 7))},
  };
}

std::vector<GoodImage> images() {
  auto all = qcow2_images();
  for (auto& image : other_images()) all.push_back(image);
  return all;
}

class GoodImages : public PoolTest, public testing::WithParamInterface<GoodImage> {
 protected:
  void SetUp() override {
    const auto& good = GetParam();
    if (good.convert.empty()) return good.image.write(source_);
    const auto plain = incoming("plain");
    MadeImage(good.data > 4096 ? 16 << 20 : good.data).put(good.data > 4096 ? 1 << 20 : 0, noise(good.data)).write(plain);
    std::vector<std::string> arguments{"convert", "-f", "raw", "-O", std::string(name(good.format))};
    arguments.insert(arguments.end(), good.convert.begin(), good.convert.end());
    arguments.insert(arguments.end(), {plain.string(), source_.string()});
    qemu_img(arguments);
  }

  std::filesystem::path source_ = incoming("source");
};

TEST_P(GoodImages, have_the_facts_that_qemu_img_tells) {
  const auto facts = inspect_file(source_, GetParam().format);
  EXPECT_EQ(facts.format, GetParam().format);
  EXPECT_EQ(facts.virtual_size, qemu_img_info(source_, GetParam().format)["virtual-size"].get<std::int64_t>());
}

TEST_P(GoodImages, are_taken_in_pieces_of_any_size) {
  const auto bytes = read_file(source_);
  for (const std::size_t piece : {std::size_t{7}, std::size_t{65536}, bytes.size()}) {
    ImageInspector inspector(GetParam().format, static_cast<std::int64_t>(bytes.size()));
    const auto all = std::as_bytes(std::span(bytes));
    for (std::size_t at = 0; at < all.size(); at += piece) inspector.feed(all.subspan(at, std::min(piece, all.size() - at)));
    EXPECT_EQ(inspector.finish().virtual_size, inspect_file(source_, GetParam().format).virtual_size);
  }
}

TEST_P(GoodImages, are_the_same_disk_after_laundering) {
  const auto before = read_file(source_);
  Volumes volumes(pool());
  const auto id = model::ResourceId::random();
  const auto announced = inspect_file(source_, GetParam().format);
  std::vector<int> progress;
  const auto facts = volumes.launder(source_, announced, id, [&](int mille) { progress.push_back(mille); });

  EXPECT_EQ(facts.format, announced.format);
  EXPECT_EQ(facts.virtual_size, announced.virtual_size);
  const std::string format = facts.format == ImageFormat::qcow2 ? "qcow2" : "raw";
  EXPECT_NO_THROW(qemu_img({"compare", "-f", format, "-F", format, source_.string(), volumes.path(id).string()}));
  const auto info = qemu_img_info(volumes.path(id), facts.format);
  EXPECT_EQ(info["virtual-size"].get<std::int64_t>(), announced.virtual_size);
  EXPECT_FALSE(info.contains("backing-filename"));
  ASSERT_GE(progress.size(), 2u);
  EXPECT_EQ(progress.front(), 0);
  EXPECT_EQ(progress.back(), 1000);
  EXPECT_TRUE(std::ranges::is_sorted(progress));
  EXPECT_TRUE(read_file(source_) == before) << "the source has changed";
  expect_no_leftovers(volumes);
}

INSTANTIATE_TEST_SUITE_P(Corpus, GoodImages, testing::ValuesIn(images()), [](const auto& instance) { return instance.param.name; });

TEST_F(PoolTest, an_iso_keeps_its_bytes) {
  made_iso(100).put(30 * 2048, noise(8192)).write(incoming("cd"));
  Volumes volumes(pool());
  const auto id = model::ResourceId::random();
  volumes.launder(incoming("cd"), inspect_file(incoming("cd"), ImageFormat::iso), id);
  EXPECT_TRUE(read_file(incoming("cd")) == read_file(volumes.path(id)));
}

TEST_F(PoolTest, an_image_of_64_tib_is_taken_and_of_a_sector_more_refused) {
  const auto largest = std::int64_t{64} << 40;
  qemu_img({"create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", incoming("largest").string(), std::to_string(largest)});
  qemu_img({"create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", incoming("more").string(), std::to_string(largest + 512)});
  EXPECT_EQ(inspect_file(incoming("largest"), ImageFormat::qcow2).virtual_size, largest);
  EXPECT_EQ(code_of([&] { inspect_file(incoming("more"), ImageFormat::qcow2); }), "image.unsupported");
}

TEST_F(PoolTest, images_that_qemu_img_made_to_point_elsewhere_are_refused) {
  qemu_img({"create", "-q", "-f", "raw", incoming("victim").string(), "1M"});
  const auto victim = incoming("victim").string();
  qemu_img({"create", "-q", "-f", "qcow2", "-b", victim, "-F", "raw", incoming("overlay").string()});
  qemu_img({"create", "-q", "-f", "qcow2", "-o", "data_file=" + victim, incoming("beside").string(), "1M"});
  qemu_img({"create", "-q", "-f", "qcow2", "-o", "data_file_raw=on,data_file=" + victim, incoming("raw_beside").string(), "1M"});
  qemu_img({"create", "-q", "-f", "qcow2", incoming("snapshot").string(), "1M"});
  qemu_img({"snapshot", "-c", "first", incoming("snapshot").string()});
  qemu_img({"create", "-q", "-f", "qcow2", "--object", "secret,id=key,data=secret", "-o",
            "encrypt.format=aes,encrypt.key-secret=key", incoming("encrypted").string(), "1M"});
  const auto code = [&](const std::string& file) { return code_of([&] { inspect_file(incoming(file), ImageFormat::qcow2); }); };
  EXPECT_EQ(code("overlay"), "image.backing_file");
  EXPECT_EQ(code("beside"), "image.data_file");
  EXPECT_EQ(code("raw_beside"), "image.data_file");
  EXPECT_EQ(code("snapshot"), "image.unsupported");
  EXPECT_EQ(code("encrypted"), "image.encrypted");
}

TEST_F(PoolTest, what_qemu_img_makes_in_other_formats_is_not_taken_as_raw) {
  for (const std::string format : {"qcow", "qed", "vmdk", "vdi", "vhdx", "vpc", "parallels", "qcow2"}) {
    qemu_img({"create", "-q", "-f", format, incoming(format).string(), "4M"});
    EXPECT_EQ(code_of([&] { inspect_file(incoming(format), ImageFormat::raw); }), "image.format_mismatch") << format;
  }
  qemu_img({"create", "-q", "-f", "vpc", "-o", "subformat=fixed", incoming("fixed").string(), "4M"});
  EXPECT_EQ(code_of([&] { inspect_file(incoming("fixed"), ImageFormat::raw); }), "image.format_mismatch");
}

}  // namespace
}  // namespace velocity::storage::test
