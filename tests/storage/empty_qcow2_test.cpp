// The qcow2 images that we write ourselves, beside those that qemu-img makes of the same wishes.
#include "framework/storage/empty_qcow2.hpp"

#include "tests/storage/pool_fixture.hpp"

namespace velocity::storage::test {
namespace {

constexpr std::int64_t kMebibyte = 1 << 20, kTebibyte = std::int64_t{1} << 40;
constexpr const char* kBase = "123e4567-e89b-42d3-a456-426614174000";

class EmptyQcow2Test : public PoolTest {
 protected:
  // All that qemu-img tells of an image but where it is and how the host keeps it.
  static nlohmann::json told_of(const std::filesystem::path& image) {
    auto info = nlohmann::json::parse(qemu_img({"info", "--output=json", "-f", "qcow2", image.string()}));
    for (const auto* key : {"filename", "actual-size", "full-backing-filename"}) info.erase(key);
    return info;
  }
  // Neither damage nor clusters that nobody uses.
  static void expect_sound(const std::filesystem::path& image) {
    const auto report = nlohmann::json::parse(qemu_img({"check", "--output=json", "-f", "qcow2", image.string()}));
    EXPECT_EQ(report["check-errors"], 0) << report;
    EXPECT_FALSE(report.contains("leaks") || report.contains("corruptions")) << report;
  }
};

// At the edges of a cluster of L1 table (4 TiB), of one entry of it (512 MiB), and of all that there can be.
TEST_F(EmptyQcow2Test, is_what_qemu_img_would_have_made_whatever_the_size) {
  const auto ours = incoming("ours"), theirs = incoming("theirs");
  for (const auto size : {std::int64_t{512}, kMebibyte, 512 * kMebibyte, 512 * kMebibyte + 512, 4 * kTebibyte, 4 * kTebibyte + 512, 64 * kTebibyte}) {
    write_empty_qcow2(ours, size);
    qemu_img({"create", "-q", "-f", "qcow2", theirs.string(), std::to_string(size)});
    EXPECT_EQ(told_of(ours), told_of(theirs)) << size;
    EXPECT_EQ(inspect_file(ours, ImageFormat::qcow2).virtual_size, size);
    expect_sound(ours);
    std::filesystem::remove(ours);
  }
}

TEST_F(EmptyQcow2Test, takes_a_guests_bytes_from_the_first_to_the_last) {
  for (const auto size : {kMebibyte, 5 * kTebibyte, 64 * kTebibyte}) {
    const auto image = incoming("image");
    write_empty_qcow2(image, size);
    const auto pattern = [&](const std::string& verb, std::int64_t offset) { return verb + " -P 65 " + std::to_string(offset) + " 512"; };
    const auto end = process::Program({"/usr/bin/qemu-io", "-f", "qcow2", "-c", pattern("write", 0), "-c", pattern("write", size - 512), "-c",
                                       pattern("read", 0), "-c", pattern("read", size - 512), "-c", "read -P 0 512 512", image.string()},
                                      {"LC_ALL=C"}, std::chrono::minutes(1)).run();
    EXPECT_TRUE(end.success()) << end.errors;
    expect_sound(image);
    std::filesystem::remove(image);
  }
}

TEST_F(EmptyQcow2Test, names_its_base_and_does_not_look_for_it) {
  const auto ours = incoming("ours"), theirs = incoming("theirs");
  for (const auto* driver : {"raw", "qcow2"}) {
    write_empty_qcow2(ours, kMebibyte, {kBase, driver});
    qemu_img({"create", "-q", "-u", "-f", "qcow2", "-b", kBase, "-F", driver, theirs.string(), std::to_string(kMebibyte)});
    EXPECT_EQ(told_of(ours), told_of(theirs)) << driver;
    EXPECT_EQ(told_of(ours)["backing-filename"], kBase);
    std::filesystem::remove(ours);
  }
}

TEST_F(EmptyQcow2Test, is_not_written_over_a_file_nor_through_a_link) {
  std::ofstream(incoming("there")) << "precious";
  std::filesystem::create_symlink("there", incoming("link"));
  for (const auto* name : {"there", "link"})
    EXPECT_EQ(code_of([&] { write_empty_qcow2(incoming(name), kMebibyte); }), "storage.failed");
  EXPECT_EQ(read_file(incoming("there")), "precious");
}

}  // namespace
}  // namespace velocity::storage::test
