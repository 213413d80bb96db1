// Images that must never become a resource: each is refused with its code, whole or in pieces of any size.
#include <cctype>
#include <ostream>

#include "tests/storage/pool_fixture.hpp"

namespace velocity::storage::test {
namespace {

using model::Error;
using model::ErrorCode;
using namespace std::string_view_literals;

struct HostileImage {
  std::string name;
  ErrorCode code;
  MadeImage image;
  ImageFormat announced = ImageFormat::qcow2;
};

void PrintTo(const HostileImage& hostile, std::ostream* out) { *out << hostile.name; }

constexpr std::uint64_t kIncompatible = 72, kAutoclear = 88;

std::vector<HostileImage> qcow2_references() {
  using enum ErrorCode;
  return {
      {"backing_file", image_backing_file, with_backing_file("/etc/shadow")},
      {"backing_file_of_version_2", image_backing_file, with_backing_file("/etc/shadow", 2)},
      {"backing_file_beside", image_backing_file, with_backing_file("base.qcow2")},
      {"backing_json", image_backing_file, with_backing_file(R"(json:{"driver":"file","filename":"/etc/shadow"})")},
      {"backing_nbd", image_backing_file, with_backing_file("nbd:127.0.0.1:10809")},
      {"backing_fat", image_backing_file, with_backing_file("fat:rw:/etc")},
      {"backing_descriptor", image_backing_file, with_backing_file("/dev/fd/0")},
      {"backing_file_name_behind_the_end", image_backing_file, made_qcow2().big(8, 8, ~0ull).big(16, 4, 1023)},
      {"backing_file_offset_without_a_length", image_backing_file, made_qcow2().big(8, 8, 256)},
      {"backing_file_length_without_an_offset", image_backing_file, made_qcow2().big(16, 4, 11)},
      {"backing_format_extension", image_backing_file, with_extension(made_qcow2(), 0xe2792aca, "raw")},
      {"backing_format_extension_of_version_2", image_backing_file, with_extension(made_qcow2(2), 0xe2792aca, "raw", 72)},
      {"backing_format_behind_an_unknown_extension", image_backing_file,
       with_extension(with_extension(made_qcow2(), 0x12345678, "12345"), 0xe2792aca, "raw", 120)},
      {"data_file_bit", image_data_file, made_qcow2().big(kIncompatible, 8, 4)},
      {"data_file_name", image_data_file, with_extension(made_qcow2(), 0x44415441, "/etc/shadow")},
      {"data_file_bit_and_name", image_data_file, with_extension(made_qcow2().big(kIncompatible, 8, 4), 0x44415441, "/etc/shadow")},
      {"data_file_name_of_version_2", image_data_file, with_extension(made_qcow2(2), 0x44415441, "/etc/shadow", 72)},
      {"raw_data_file_bit", image_data_file, made_qcow2().big(kAutoclear, 8, 2)},
      {"encrypted_with_aes", image_encrypted, made_qcow2().big(32, 4, 1)},
      {"encrypted_with_luks", image_encrypted, made_qcow2().big(32, 4, 2)},
      {"encrypted_with_something", image_encrypted, made_qcow2().big(32, 4, ~0u)},
      {"encryption_header_extension", image_encrypted, with_extension(made_qcow2(), 0x0537be77, "0123456789abcdef")},
  };
}

std::vector<HostileImage> qcow2_headers() {
  using enum ErrorCode;
  return {
      {"version_0", image_unsupported, made_qcow2().big(4, 4, 0)},
      {"version_1_is_another_format", image_format_mismatch, made_qcow2().big(4, 4, 1)},
      {"version_4", image_unsupported, made_qcow2().big(4, 4, 4)},
      {"version_of_all_ones", image_unsupported, made_qcow2().big(4, 4, ~0u)},
      {"unknown_incompatible_bit", image_unsupported, made_qcow2().big(kIncompatible, 8, 32)},
      {"highest_incompatible_bit", image_unsupported, made_qcow2().big(kIncompatible, 8, 1ull << 63)},
      {"dirty", image_corrupt, made_qcow2().big(kIncompatible, 8, 1)},
      {"marked_corrupt", image_corrupt, made_qcow2().big(kIncompatible, 8, 2)},
      {"snapshot", image_unsupported, made_qcow2().big(60, 4, 1).big(64, 8, 512)},
      {"snapshots_without_end", image_unsupported, made_qcow2().big(60, 4, ~0u)},
      {"unknown_compression", image_unsupported, made_qcow2(3, 16).big(100, 4, 112).big(104, 1, 7).big(kIncompatible, 8, 8)},
      {"compression_bit_without_type", image_corrupt, made_qcow2(3, 16).big(100, 4, 112).big(kIncompatible, 8, 8)},
      {"compression_bit_in_a_short_header", image_corrupt, made_qcow2().big(kIncompatible, 8, 8)},
      {"compression_type_without_bit", image_corrupt, made_qcow2(3, 16).big(100, 4, 112).big(104, 1, 1)},
      {"cluster_bits_0", image_corrupt, made_qcow2().big(20, 4, 0)},
      {"cluster_bits_8", image_corrupt, made_qcow2().big(20, 4, 8)},
      {"cluster_bits_22", image_corrupt, made_qcow2().big(20, 4, 22)},
      {"cluster_bits_63", image_corrupt, made_qcow2().big(20, 4, 63)},
      {"cluster_bits_64", image_corrupt, made_qcow2().big(20, 4, 64)},
      {"cluster_bits_of_all_ones", image_corrupt, made_qcow2().big(20, 4, ~0u)},
      {"refcount_order_7", image_corrupt, made_qcow2().big(96, 4, 7)},
      {"refcount_order_of_all_ones", image_corrupt, made_qcow2().big(96, 4, ~0u)},
      {"subclusters_in_small_clusters", image_corrupt, made_qcow2().big(kIncompatible, 8, 16)},
      {"header_length_0", image_corrupt, made_qcow2().big(100, 4, 0)},
      {"header_length_96", image_corrupt, made_qcow2().big(100, 4, 96)},
      {"header_length_odd", image_corrupt, made_qcow2().big(100, 4, 105)},
      {"header_longer_than_its_cluster", image_corrupt, made_qcow2().big(100, 4, 520)},
      {"header_length_of_all_ones", image_corrupt, made_qcow2().big(100, 4, 0xfffffff8)},
      {"extension_over_the_cluster", image_corrupt, with_extension(made_qcow2(), 0x12345678, "x").big(108, 4, 401)},
      {"extension_length_of_all_ones", image_corrupt, with_extension(made_qcow2(), 0x12345678, "x").big(108, 4, ~0u)},
      {"extension_length_that_wraps", image_corrupt, with_extension(made_qcow2(), 0x12345678, "x").big(108, 4, 0xfffffff0)},
      {"second_extension_over_the_cluster", image_corrupt,
       with_extension(with_extension(made_qcow2(), 0x12345678, ""), 0x6803f857, std::string(500, 'x'), 112).big(116, 4, 500)},
      {"extensions_longer_than_any", image_unsupported,
       with_extension(made_qcow2(3, 18), 0x12345678, "").big(108, 4, 200 * 1024)},
  };
}

std::vector<HostileImage> qcow2_sizes() {
  using enum ErrorCode;
  return {
      {"size_0", image_unsupported, made_qcow2().big(24, 8, 0)},
      {"size_of_all_ones", image_unsupported, made_qcow2().big(24, 8, ~0ull)},
      {"size_of_the_sign_bit", image_unsupported, made_qcow2().big(24, 8, 1ull << 63)},
      {"size_above_64_tib", image_unsupported, made_qcow2().big(24, 8, (64ull << 40) + 512)},
      {"size_of_half_a_sector", image_corrupt, made_qcow2().big(24, 8, 513)},
      {"size_beyond_the_l1_table", image_corrupt, made_qcow2().big(24, 8, 64ull << 40)},
      {"l1_table_empty", image_corrupt, made_qcow2().big(36, 4, 0)},
      {"l1_table_too_small", image_corrupt, made_qcow2(3, 9, 512 * 65).big(36, 4, 1)},
      {"l1_table_of_all_ones", image_corrupt, made_qcow2().big(36, 4, ~0u)},
      {"l1_table_above_32_mib", image_corrupt, made_qcow2().big(36, 4, (4 << 20) + 1)},
      {"l1_table_over_the_end", image_truncated, made_qcow2().big(36, 4, 65)},
      {"l1_table_at_0", image_corrupt, made_qcow2().big(40, 8, 0)},
      {"l1_table_unaligned", image_corrupt, made_qcow2().big(40, 8, 3 * 512 + 8)},
      {"l1_table_behind_the_end", image_truncated, made_qcow2().big(40, 8, 1 << 20)},
      {"l1_table_at_the_end_of_numbers", image_truncated, made_qcow2().big(40, 8, 0xfffffffffffffe00)},
      {"l1_table_in_the_refcounts", image_corrupt, made_qcow2().big(40, 8, 512)},
      {"refcount_table_at_0", image_corrupt, made_qcow2().big(48, 8, 0)},
      {"refcount_table_unaligned", image_corrupt, made_qcow2().big(48, 8, 513)},
      {"refcount_table_behind_the_end", image_truncated, made_qcow2().big(48, 8, 1 << 20)},
      {"refcount_table_at_the_end_of_numbers", image_truncated, made_qcow2().big(48, 8, 0xfffffffffffffe00)},
      {"refcount_table_of_no_cluster", image_corrupt, made_qcow2().big(56, 4, 0)},
      {"refcount_table_over_the_end", image_truncated, made_qcow2().big(56, 4, 4)},
      {"refcount_table_of_all_ones", image_corrupt, made_qcow2().big(56, 4, ~0u)},
      {"cut_to_1_byte", image_format_mismatch, made_qcow2().cut(1)},
      {"cut_to_its_magic", image_truncated, made_qcow2().cut(4)},
      {"cut_in_the_header_of_version_2", image_truncated, made_qcow2(2).cut(71)},
      {"cut_in_the_header_of_version_3", image_truncated, made_qcow2().cut(100)},
      {"cut_behind_the_header", image_truncated, made_qcow2().cut(104)},
      {"cut_behind_the_first_cluster", image_truncated, made_qcow2().cut(512)},
      {"cut_before_the_l1_table", image_truncated, made_qcow2().cut(3 * 512)},
      {"cut_in_the_l1_table", image_truncated, made_qcow2().cut(3 * 512 + 7)},
  };
}

MadeImage disk(std::size_t offset, std::string_view mark) { return std::move(MadeImage(4096).put(offset, mark)); }

std::vector<HostileImage> other_formats() {
  using enum ErrorCode;
  const auto raw = ImageFormat::raw;
  const auto iso = ImageFormat::iso;
  return {
      {"qcow2_as_raw", image_format_mismatch, made_qcow2(), raw},
      {"qcow2_of_an_unknown_version_as_raw", image_format_mismatch, made_qcow2().big(4, 4, 9), raw},
      {"qcow_as_raw", image_format_mismatch, disk(0, "QFI\xfb\0\0\0\1"sv), raw},
      {"qed_as_raw", image_format_mismatch, disk(0, "QED\0"sv), raw},
      {"vmdk_as_raw", image_format_mismatch, disk(0, "KDMV"), raw},
      {"old_vmdk_as_raw", image_format_mismatch, disk(0, "COWD"), raw},
      {"vmdk_descriptor_as_raw", image_format_mismatch,
       disk(0, "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 8 FLAT \"/etc/shadow\" 0\n"), raw},
      {"vmdk_descriptor_with_another_head_as_raw", image_format_mismatch,
       disk(0, "\n # hello\r\n\nversion=3\nRW 8 FLAT \"/etc/shadow\" 0\n"), raw},
      {"vdi_as_raw", image_format_mismatch, disk(0x40, "\x7f\x10\xda\xbe"), raw},
      {"vhdx_as_raw", image_format_mismatch, disk(0, "vhdxfile"), raw},
      {"dynamic_vhd_as_raw", image_format_mismatch, disk(0, "conectix"), raw},
      {"fixed_vhd_as_raw", image_format_mismatch, disk(4096 - 512, "conectix"), raw},
      {"fixed_vhd_of_old_as_raw", image_format_mismatch, disk(4096 - 511, "conectix"), raw},
      {"parallels_as_raw", image_format_mismatch, disk(0, "WithoutFreeSpace"), raw},
      {"new_parallels_as_raw", image_format_mismatch, disk(0, "WithouFreSpacExt"), raw},
      {"luks_as_raw", image_encrypted, disk(0, "LUKS\xba\xbe"), raw},
      {"bochs_as_raw", image_format_mismatch, disk(0, "Bochs Virtual HD Image"), raw},
      {"cloop_as_raw", image_format_mismatch, disk(0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0"), raw},
      {"dmg_as_raw", image_format_mismatch, disk(4096 - 512, "koly"), raw},
      {"large_fixed_vhd_as_raw", image_format_mismatch, MadeImage(300 * 1024).put(300 * 1024 - 512, "conectix"), raw},
      {"raw_as_qcow2", image_format_mismatch, MadeImage(4096, 'x')},
      {"vmdk_as_qcow2", image_format_mismatch, disk(0, "KDMV")},
      {"iso_as_qcow2", image_format_mismatch, made_iso()},
      {"qcow2_as_iso", image_format_mismatch, made_qcow2(), iso},
      {"qcow2_that_is_an_iso_too", image_format_mismatch, made_iso().put(0, made_qcow2().bytes()), iso},
      {"vmdk_that_is_an_iso_too", image_format_mismatch, made_iso().put(0, "KDMV"), iso},
      {"raw_as_iso", image_format_mismatch, MadeImage(64 * 1024), iso},
      {"short_raw_as_iso", image_format_mismatch, MadeImage(512), iso},
      {"iso_cut_in_its_descriptor", image_truncated, made_iso().cut(16 * 2048 + 100), iso},
      {"iso_cut_before_its_end", image_truncated, made_iso().cut(23 * 2048), iso},
      {"iso_of_no_size", image_corrupt, made_iso().little(16 * 2048 + 80, 4, 0).big(16 * 2048 + 84, 4, 0), iso},
      {"iso_of_two_sizes", image_corrupt, made_iso().little(16 * 2048 + 80, 4, 1), iso},
      {"iso_of_8_tib", image_truncated, made_iso().little(16 * 2048 + 80, 4, ~0u).big(16 * 2048 + 84, 4, ~0u), iso},
      {"iso_of_odd_blocks", image_corrupt, made_iso().little(16 * 2048 + 128, 2, 7).big(16 * 2048 + 130, 2, 7), iso},
      {"iso_without_a_primary_descriptor", image_corrupt, made_iso().put(16 * 2048, "\2"), iso},
  };
}

std::vector<HostileImage> corpus() {
  std::vector<HostileImage> all;
  for (const auto& part : {qcow2_references(), qcow2_headers(), qcow2_sizes(), other_formats()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

// The code that an image is refused with when it comes in pieces of that size; nothing when it is taken.
std::optional<ErrorCode> verdict(const HostileImage& hostile, std::size_t piece) {
  const auto bytes = std::as_bytes(std::span(hostile.image.bytes()));
  try {
    ImageInspector inspector(hostile.announced, static_cast<std::int64_t>(bytes.size()));
    for (std::size_t at = 0; at < bytes.size(); at += piece) inspector.feed(bytes.subspan(at, std::min(piece, bytes.size() - at)));
    inspector.finish();
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    EXPECT_TRUE(std::isupper(static_cast<unsigned char>(error.message().front()))) << error.message();
    return error.code();
  }
  return std::nullopt;
}

class HostileImages : public testing::TestWithParam<HostileImage> {};

TEST_P(HostileImages, are_refused_with_their_code_however_they_are_cut) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, GetParam().image.bytes().size()}) {
    const auto code = verdict(GetParam(), piece);
    ASSERT_TRUE(code) << "accepted in pieces of " << piece;
    EXPECT_EQ(name(*code), name(GetParam().code)) << "in pieces of " << piece;
  }
}

INSTANTIATE_TEST_SUITE_P(Corpus, HostileImages, testing::ValuesIn(corpus()), [](const auto& instance) { return instance.param.name; });

TEST(ImageInspector, refuses_an_image_without_a_byte) {
  EXPECT_EQ(code_of([] { ImageInspector(ImageFormat::raw, 0); }), "image.truncated");
  EXPECT_EQ(code_of([] { ImageInspector(ImageFormat::raw, -1); }), "image.truncated");
}

TEST(ImageInspector, refuses_a_length_above_64_tib) {
  EXPECT_EQ(code_of([] { ImageInspector(ImageFormat::raw, (std::int64_t{64} << 40) + 1); }), "image.unsupported");
}

TEST(ImageInspector, refuses_more_bytes_than_announced) {
  ImageInspector inspector(ImageFormat::raw, 100);
  EXPECT_EQ(code_of([&] { inspector.feed(std::vector<std::byte>(101)); }), "image.corrupt");
}

TEST(ImageInspector, refuses_to_finish_before_the_last_byte) {
  ImageInspector inspector(ImageFormat::raw, 100);
  inspector.feed(std::vector<std::byte>(99));
  EXPECT_EQ(code_of([&] { inspector.finish(); }), "image.truncated");
}

TEST(ImageInspector, refuses_a_hostile_upload_once_its_header_is_there) {
  const auto image = with_backing_file("/etc/shadow");
  std::vector<std::byte> chunk(ImageInspector::kHeaderBytes);
  std::ranges::copy(std::as_bytes(std::span(image.bytes())).first(chunk.size()), chunk.begin());
  ImageInspector inspector(ImageFormat::qcow2, std::int64_t{1} << 40);
  EXPECT_EQ(code_of([&] { inspector.feed(chunk); }), "image.backing_file");
}

TEST(ImageInspector, tells_what_the_image_is_and_how_to_convert_it) {
  const auto image = disk(0, "KDMV");
  ImageInspector inspector(ImageFormat::raw, 4096);
  try {
    inspector.feed(std::as_bytes(std::span(image.bytes())));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "The image is a VMware disk (VMDK), not raw. Convert it with: qemu-img convert -f vmdk -O qcow2 IMAGE NEW-IMAGE");
  }
}

}  // namespace
}  // namespace velocity::storage::test
