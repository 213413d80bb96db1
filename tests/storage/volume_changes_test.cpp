// Clones, growth and snapshots, with the real qemu-img; and that a volume which a guest has tampered with decides nothing.
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "framework/process/program.hpp"
#include "framework/storage/reading.hpp"
#include "tests/storage/pool_fixture.hpp"

namespace velocity::storage::test {
namespace {

using model::ResourceId;
using model::Uuid;
namespace fs = std::filesystem;

constexpr std::int64_t kMebibyte = 1 << 20;

class VolumeChangesTest : public PoolTest {
 protected:
  // A volume with these bytes at its beginning.
  ResourceId made(ImageFormat format, const std::string& bytes, std::int64_t size = 4 * kMebibyte) {
    const auto id = ResourceId::random();
    volumes_.create(id, format, size);
    write({{id, format}}, 0, bytes);
    return id;
  }

  // As a guest would: through QEMU, the whole chain named.
  void write(const Chain& chain, std::int64_t offset, const std::string& bytes) const {
    std::ofstream(incoming("pattern"), std::ios::binary) << bytes;
    const auto end = process::Program({"/usr/bin/qemu-io", "-f", driver_of(chain.front().format), "-c",
                              "write -s " + incoming("pattern").string() + " " + std::to_string(offset) + " " + std::to_string(bytes.size()),
                              volumes_.path(chain.front().id).string()},
                             {"LC_ALL=C"}, std::chrono::minutes(1))
                         .run();
    ASSERT_TRUE(end.success()) << end.errors;
  }

  // What a guest would see of it, the first `size` bytes.
  std::string seen(const Chain& chain, std::size_t size) const {
    qemu_img({"convert", "-f", driver_of(chain.front().format), "-O", "raw", volumes_.path(chain.front().id).string(), incoming("seen").string()});
    return read_file(incoming("seen")).substr(0, size);
  }

  std::int64_t size_of(const Chain& chain) const { return volumes_.inspect(chain).virtual_size; }

  Volumes volumes_{pool()};
};

TEST_F(VolumeChangesTest, a_linked_clone_shows_its_base_and_keeps_what_differs) {
  for (const auto format : {ImageFormat::raw, ImageFormat::qcow2}) {
    const auto text = noise(65536);
    const Layer base{made(format, text), format};
    const Layer clone{ResourceId::random(), ImageFormat::qcow2};
    const auto before = read_file(volumes_.path(base.id));
    volumes_.create_overlay(clone.id, {base});
    EXPECT_EQ(seen({clone, base}, text.size()), text);
    write({clone, base}, 0, std::string(65536, 'n'));
    EXPECT_EQ(seen({clone, base}, 65536), std::string(65536, 'n'));
    EXPECT_EQ(read_file(volumes_.path(base.id)), before) << "the base must not change";
    const auto info = qemu_img_info(volumes_.path(clone.id), ImageFormat::qcow2);
    EXPECT_EQ(info["backing-filename"], base.id.text()) << "its bare name";
    EXPECT_EQ(info["backing-filename-format"], driver_of(format));
  }
  expect_no_leftovers(volumes_);
}

TEST_F(VolumeChangesTest, a_linked_clone_may_be_larger_and_never_smaller_than_its_base) {
  const Layer base{made(ImageFormat::qcow2, "x"), ImageFormat::qcow2};
  const Layer clone{ResourceId::random(), ImageFormat::qcow2};
  EXPECT_EQ(code_of([&] { volumes_.create_overlay(clone.id, {base}, kMebibyte); }), "image.unsupported");
  volumes_.create_overlay(clone.id, {base}, 8 * kMebibyte + 1);
  EXPECT_EQ(size_of({clone, base}), 8 * kMebibyte + 512);
}

TEST_F(VolumeChangesTest, a_linked_clone_takes_no_program_and_next_to_no_room_however_large_its_base_is) {
  const Layer base{ResourceId::random(), ImageFormat::qcow2};
  volumes_.create(base.id, ImageFormat::qcow2, std::int64_t{10} << 40);
  const auto before = volumes_.processes();
  const Layer clone{ResourceId::random(), ImageFormat::qcow2};
  volumes_.create_overlay(clone.id, {base});
  EXPECT_EQ(volumes_.processes(), before);
  struct stat status{};
  ASSERT_EQ(::stat(volumes_.path(clone.id).c_str(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, kMebibyte);
}

TEST_F(VolumeChangesTest, a_full_clone_of_a_chain_stands_for_itself) {
  const auto text = noise(65536);
  const Layer base{made(ImageFormat::raw, text), ImageFormat::raw};
  const Layer middle{ResourceId::random(), ImageFormat::qcow2}, top{ResourceId::random(), ImageFormat::qcow2};
  volumes_.create_overlay(middle.id, {base});
  write({middle, base}, 65536, "middle" + std::string(506, 'm'));
  volumes_.create_overlay(top.id, {middle, base});
  write({top, middle, base}, 131072, "top" + std::string(509, 't'));
  std::vector<int> told;
  const auto id = ResourceId::random();
  EXPECT_EQ(volumes_.clone({top, middle, base}, id, 0, [&](int mille) { told.push_back(mille); }).virtual_size, 4 * kMebibyte);
  EXPECT_EQ(told.front(), 0);
  EXPECT_EQ(told.back(), 1000);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_NO_THROW(inspect_file(volumes_.path(id), ImageFormat::qcow2)) << "as strict as for an upload";
  for (const auto& layer : {top, middle, base}) volumes_.remove(layer.id);
  const auto all = seen({{id, ImageFormat::qcow2}}, 131075);
  EXPECT_EQ(all.substr(0, 65536), text);
  EXPECT_EQ(all.substr(65536, 6), "middle");
  EXPECT_EQ(all.substr(131072), "top");
  expect_no_leftovers(volumes_);
}

TEST_F(VolumeChangesTest, a_clone_of_raw_is_raw_and_may_be_larger) {
  // Bytes that look like another format are a guest's own affair.
  const Layer source{made(ImageFormat::raw, "QFI\xfb" + std::string(508, 'x')), ImageFormat::raw};
  for (const auto format : {ImageFormat::raw, ImageFormat::iso}) {
    const auto id = ResourceId::random();
    const auto size = format == ImageFormat::raw ? 6 * kMebibyte : 4 * kMebibyte;
    EXPECT_EQ(volumes_.clone({{source.id, format}}, id, 6 * kMebibyte).virtual_size, size);
    EXPECT_EQ(read_file(volumes_.path(id)).substr(0, 4), "QFI\xfb");
    EXPECT_EQ(fs::file_size(volumes_.path(id)), static_cast<std::uintmax_t>(size));
  }
  const Layer qcow2{made(ImageFormat::qcow2, "x"), ImageFormat::qcow2};
  EXPECT_EQ(volumes_.clone({qcow2}, ResourceId::random(), 6 * kMebibyte).virtual_size, 6 * kMebibyte);
  EXPECT_EQ(code_of([&] { volumes_.clone({source}, ResourceId::random(), kMebibyte); }), "image.unsupported");
}

TEST_F(VolumeChangesTest, a_clone_that_is_called_off_leaves_nothing_and_one_made_twice_is_made_once) {
  const Layer source{made(ImageFormat::raw, noise(kMebibyte)), ImageFormat::raw};
  const auto id = ResourceId::random();
  EXPECT_THROW(volumes_.clone({source}, id, 0, [](int) { throw std::runtime_error("enough"); }), std::runtime_error);
  EXPECT_FALSE(volumes_.exists(id));
  expect_no_leftovers(volumes_);
  volumes_.clone({source}, id);
  const auto before = volumes_.processes();
  EXPECT_EQ(volumes_.clone({source}, id).virtual_size, 4 * kMebibyte);
  EXPECT_EQ(volumes_.processes(), before);
}

TEST_F(VolumeChangesTest, a_volume_grows_keeps_its_bytes_and_never_shrinks) {
  const auto text = noise(65536);
  const Layer raw{made(ImageFormat::raw, text), ImageFormat::raw}, qcow2{made(ImageFormat::qcow2, text), ImageFormat::qcow2};
  const Layer overlay{ResourceId::random(), ImageFormat::qcow2};
  const Layer base{made(ImageFormat::qcow2, text), ImageFormat::qcow2};
  volumes_.create_overlay(overlay.id, {base});
  for (const auto& chain : {Chain{raw}, Chain{qcow2}, Chain{overlay, base}}) {
    volumes_.grow(chain, 9 * kMebibyte);
    EXPECT_EQ(size_of(chain), 9 * kMebibyte);
    volumes_.grow(chain, 9 * kMebibyte);
    volumes_.grow(chain, kMebibyte);
    EXPECT_EQ(size_of(chain), 9 * kMebibyte);
    EXPECT_EQ(seen(chain, text.size()), text);
    EXPECT_EQ(code_of([&] { volumes_.grow(chain, (std::int64_t{64} << 40) + 1); }), "image.unsupported");
  }
  EXPECT_EQ(size_of({base}), 4 * kMebibyte);
  EXPECT_EQ(code_of([&] { volumes_.grow({{raw.id, ImageFormat::iso}}, 20 * kMebibyte); }), "image.unsupported");
}

TEST_F(VolumeChangesTest, a_snapshot_brings_bytes_and_size_back) {
  const Layer base{made(ImageFormat::raw, std::string(512, 'b')), ImageFormat::raw};
  const Layer plain{made(ImageFormat::qcow2, std::string(512, 'b')), ImageFormat::qcow2};
  const Layer overlay{ResourceId::random(), ImageFormat::qcow2};
  volumes_.create_overlay(overlay.id, {base});
  for (const auto& chain : {Chain{plain}, Chain{overlay, base}}) {
    const auto first = Uuid::random(), second = Uuid::random();
    volumes_.snapshot_take(chain, first);
    write(chain, 0, std::string(512, 'c'));
    volumes_.snapshot_take(chain, second);
    volumes_.snapshot_take(chain, second);
    volumes_.grow(chain, 8 * kMebibyte);
    const auto list = volumes_.snapshots(chain.front().id);
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].name, first.text());
    EXPECT_EQ(list[1].name, second.text());
    EXPECT_EQ(list[1].virtual_size, 4 * kMebibyte);
    EXPECT_EQ(volumes_.snapshot_apply(chain, first).virtual_size, 4 * kMebibyte);
    EXPECT_EQ(seen(chain, 512), std::string(512, 'b'));
    EXPECT_EQ(volumes_.snapshot_apply(chain, second).virtual_size, 4 * kMebibyte);
    EXPECT_EQ(seen(chain, 512), std::string(512, 'c'));
    volumes_.snapshot_remove(chain, first);
    volumes_.snapshot_remove(chain, first);
    EXPECT_EQ(code_of([&] { volumes_.snapshot_apply(chain, first); }), "image.unsupported");
    volumes_.snapshot_remove(chain, second);
    EXPECT_TRUE(volumes_.snapshots(chain.front().id).empty());
    EXPECT_EQ(seen(chain, 512), std::string(512, 'c'));
  }
  EXPECT_EQ(code_of([&] { volumes_.snapshot_take({base}, Uuid::random()); }), "image.unsupported");
  EXPECT_NO_THROW(volumes_.snapshot_remove({{ResourceId::random(), ImageFormat::qcow2}}, Uuid::random()));
}

// An overlay over `name`, put where a volume is: what a guest that has broken out of its QEMU could do.
TEST_F(VolumeChangesTest, a_tampered_volume_is_refused_by_every_operation_and_nothing_that_it_names_is_opened) {
  const auto victim = incoming("victim");
  made_qcow2(3, 16, 1 << 20).write(victim);
  const auto untouched = read_file(victim);
  const Layer good{made(ImageFormat::qcow2, "x"), ImageFormat::qcow2}, other{made(ImageFormat::qcow2, "y"), ImageFormat::qcow2};
  std::vector<MadeImage> tampered{
      with_backing_file(victim.string()), with_backing_file("../victim"), with_backing_file("json:{\"driver\":\"file\",\"filename\":\"" + victim.string() + "\"}"),
      with_backing_file(other.id.text()), with_backing_file("nbd:127.0.0.1:10809"),
      made_qcow2(3, 16, 1 << 20).big(72, 8, 4), with_extension(made_qcow2(3, 16, 1 << 20), 0x44415441, victim.string()),
      with_extension(made_qcow2(3, 16, 1 << 20), 0xe2792aca, "raw"), made_qcow2(3, 16, 1 << 20).big(32, 4, 2), MadeImage(65536, 'x')};
  for (const auto& image : tampered) {
    const Layer bad{ResourceId::random(), ImageFormat::qcow2};
    image.write(volumes_.path(bad.id));
    const auto before = volumes_.processes();
    for (const auto& chain : {Chain{bad}, Chain{bad, good}}) {
      EXPECT_NE(code_of([&] { volumes_.clone(chain, ResourceId::random()); }), "nothing");
      EXPECT_NE(code_of([&] { volumes_.create_overlay(ResourceId::random(), chain); }), "nothing");
      EXPECT_NE(code_of([&] { volumes_.grow(chain, 8 * kMebibyte); }), "nothing");
      EXPECT_NE(code_of([&] { volumes_.snapshot_take(chain, Uuid::random()); }), "nothing");
      EXPECT_NE(code_of([&] { volumes_.snapshot_apply(chain, Uuid::random()); }), "nothing");
      EXPECT_NE(code_of([&] { volumes_.snapshot_remove(chain, Uuid::random()); }), "nothing");
    }
    EXPECT_EQ(volumes_.processes(), before) << "no program has seen it";
    volumes_.remove(bad.id);
  }
  EXPECT_EQ(read_file(victim), untouched);
  expect_no_leftovers(volumes_);
}

TEST_F(VolumeChangesTest, a_base_of_another_format_than_it_was_made_on_is_refused) {
  const Layer base{made(ImageFormat::raw, "x"), ImageFormat::raw};
  const Layer clone{ResourceId::random(), ImageFormat::qcow2};
  volumes_.create_overlay(clone.id, {base});
  EXPECT_EQ(code_of([&] { volumes_.clone({clone, {base.id, ImageFormat::qcow2}}, ResourceId::random()); }), "image.corrupt");
  EXPECT_EQ(code_of([&] { volumes_.clone({clone}, ResourceId::random()); }), "image.corrupt");
  EXPECT_EQ(code_of([&] { volumes_.clone({clone, base}, ResourceId::random()); }), "nothing");
}

TEST_F(VolumeChangesTest, what_a_running_qemu_writes_to_is_in_use) {
  const Layer disk{made(ImageFormat::qcow2, "x"), ImageFormat::qcow2};
  std::atomic<bool> open = false;
  int input[2];
  ASSERT_EQ(::pipe2(input, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(input[0], 0);
    ::execl("/usr/bin/qemu-io", "qemu-io", "-f", "qcow2", volumes_.path(disk.id).c_str(), nullptr);
    ::_exit(127);
  }
  for (int i = 0; i < 500 && !open; ++i) {  // until it holds its locks
    std::ifstream locks("/proc/locks");
    struct stat status{};
    ::stat(volumes_.path(disk.id).c_str(), &status);
    for (std::string line; std::getline(locks, line);)
      if (line.find(":" + std::to_string(status.st_ino) + " ") != std::string::npos) open = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(open);
  EXPECT_EQ(code_of([&] { volumes_.clone({disk}, ResourceId::random()); }), "resource.in_use");
  EXPECT_EQ(code_of([&] { volumes_.grow({disk}, 8 * kMebibyte); }), "resource.in_use");
  EXPECT_EQ(code_of([&] { volumes_.snapshot_take({disk}, Uuid::random()); }), "resource.in_use");
  ::close(input[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_NO_THROW(volumes_.grow({disk}, 8 * kMebibyte));
  expect_no_leftovers(volumes_);
}

TEST_F(VolumeChangesTest, a_volume_is_read_at_any_place_also_after_its_removal) {
  const auto text = noise(4096);
  const auto id = made(ImageFormat::raw, text);
  const Reading reading(volumes_.path(id));
  volumes_.remove(id);
  std::vector<std::byte> bytes(100);
  EXPECT_EQ(reading.size(), 4 * kMebibyte);
  EXPECT_EQ(reading.read(1000, bytes), 100u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), text.substr(1000, 100));
  EXPECT_EQ(reading.read(4 * kMebibyte - 10, bytes), 10u);
  EXPECT_EQ(code_of([&] { Reading(volumes_.path(id)); }), "storage.failed");
  fs::create_symlink("/etc/passwd", volumes_.path(id));
  EXPECT_EQ(code_of([&] { Reading(volumes_.path(id)); }), "storage.failed");
}

}  // namespace
}  // namespace velocity::storage::test
