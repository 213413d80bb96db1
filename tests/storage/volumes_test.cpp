// A pool over its life: made, filled, listed, emptied, and what becomes of it when the disk is full.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tests/storage/pool_fixture.hpp"

namespace velocity::storage::test {
namespace {

using model::Error;
using model::ErrorCode;
using model::ResourceId;
namespace fs = std::filesystem;

class VolumesTest : public PoolTest {};

unsigned mode_of(const fs::path& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST_F(VolumesTest, a_pool_and_its_volumes_are_for_their_owner_only) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  volumes.create(id, ImageFormat::qcow2, 1 << 20);
  EXPECT_EQ(mode_of(pool()), 0700u);
  EXPECT_EQ(mode_of(pool() / ".work"), 0700u);
  EXPECT_EQ(mode_of(volumes.path(id)), 0600u);
}

TEST_F(VolumesTest, an_existing_pool_is_closed_to_others) {
  fs::create_directory(pool());
  fs::permissions(pool(), fs::perms::all);
  const Volumes volumes(pool());
  EXPECT_EQ(mode_of(pool()), 0700u);
}

TEST_F(VolumesTest, a_volume_is_found_by_its_id_alone_before_and_after_it_is_made) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  const auto before = volumes.path(id);
  EXPECT_FALSE(volumes.exists(id));
  volumes.create(id, ImageFormat::raw, 4096);
  EXPECT_TRUE(volumes.exists(id));
  EXPECT_EQ(volumes.path(id), before);
  EXPECT_TRUE(fs::exists(before));
}

TEST_F(VolumesTest, an_empty_volume_has_its_size_and_takes_no_room) {
  Volumes volumes(pool());
  for (const auto format : {ImageFormat::raw, ImageFormat::qcow2}) {
    const auto id = ResourceId::random();
    volumes.create(id, format, std::int64_t{1} << 40);
    EXPECT_EQ(qemu_img_info(volumes.path(id), format)["virtual-size"].get<std::int64_t>(), std::int64_t{1} << 40);
    struct stat status{};
    ASSERT_EQ(::stat(volumes.path(id).c_str(), &status), 0);
    EXPECT_LT(status.st_blocks * 512, 1 << 20);
    EXPECT_EQ(inspect_file(volumes.path(id), format).virtual_size, std::int64_t{1} << 40);
  }
  expect_no_leftovers(volumes);
}

TEST_F(VolumesTest, a_size_is_rounded_up_to_whole_sectors) {
  Volumes volumes(pool());
  for (const auto format : {ImageFormat::raw, ImageFormat::qcow2}) {
    const auto id = ResourceId::random();
    volumes.create(id, format, 1000);
    EXPECT_EQ(inspect_file(volumes.path(id), format).virtual_size, 1024);
  }
}

TEST_F(VolumesTest, no_volume_is_made_of_a_size_that_none_can_have) {
  Volumes volumes(pool());
  for (const auto size : {std::int64_t{0}, std::int64_t{-1}, (std::int64_t{64} << 40) + 1, INT64_MAX})
    EXPECT_EQ(code_of([&] { volumes.create(ResourceId::random(), ImageFormat::raw, size); }), "image.unsupported") << size;
  EXPECT_EQ(code_of([&] { volumes.create(ResourceId::random(), ImageFormat::iso, 4096); }), "image.unsupported");
  expect_no_leftovers(volumes);
}

TEST_F(VolumesTest, making_a_volume_again_leaves_it_as_it_is) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  volumes.create(id, ImageFormat::raw, 4096);
  std::ofstream(volumes.path(id)) << "guest data";
  volumes.create(id, ImageFormat::raw, 4096);
  EXPECT_EQ(read_file(volumes.path(id)), "guest data");
}

TEST_F(VolumesTest, laundering_again_leaves_the_volume_and_tells_its_facts) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  MadeImage(8192, 'a').write(incoming("source"));
  volumes.launder(incoming("source"), {ImageFormat::raw, 8192}, id);
  const auto processes = volumes.processes();
  EXPECT_EQ(volumes.launder(incoming("source"), {ImageFormat::raw, 8192}, id).virtual_size, 8192);
  EXPECT_EQ(volumes.processes(), processes);
}

TEST_F(VolumesTest, an_image_that_changed_after_it_was_announced_is_refused) {
  Volumes volumes(pool());
  MadeImage(8192, 'a').write(incoming("source"));
  EXPECT_EQ(code_of_laundering(volumes, incoming("source"), {ImageFormat::raw, 4096}), "image.corrupt");
  EXPECT_EQ(code_of_laundering(volumes, incoming("absent"), {ImageFormat::raw, 4096}), "storage.failed");
  fs::create_symlink("source", incoming("link"));
  EXPECT_EQ(code_of_laundering(volumes, incoming("link"), {ImageFormat::raw, 8192}), "storage.failed");
  expect_no_leftovers(volumes);
}

TEST_F(VolumesTest, zeros_of_an_upload_take_no_room_afterwards) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  MadeImage(8 << 20).put(1 << 20, "data").write(incoming("source"));
  volumes.launder(incoming("source"), {ImageFormat::raw, 8 << 20}, id);
  struct stat status{};
  ASSERT_EQ(::stat(volumes.path(id).c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 8 << 20);
  EXPECT_LT(status.st_blocks * 512, 1 << 20);
}

ino_t file_number(const fs::path& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

TEST_F(VolumesTest, a_raw_or_iso_upload_is_taken_in_as_it_is_by_no_program_and_can_be_given_back) {
  Volumes volumes(pool());
  const auto source = incoming("source");
  for (const auto& [format, image] : {std::pair{ImageFormat::raw, MadeImage(1 << 20, 'a')}, std::pair{ImageFormat::iso, made_iso(64)}}) {
    image.write(source);
    fs::permissions(source, fs::perms::all);
    const auto number = file_number(source);
    const auto id = ResourceId::random();
    std::vector<int> told;
    const auto facts = volumes.take_in(source, inspect_file(source, format), id, [&](int mille) { told.push_back(mille); });
    EXPECT_EQ(facts.format, format);
    EXPECT_EQ(facts.virtual_size, static_cast<std::int64_t>(image.bytes().size()));
    EXPECT_EQ(told, (std::vector{0, 1000}));
    EXPECT_FALSE(fs::exists(source));
    EXPECT_EQ(file_number(volumes.path(id)), number) << "it was copied";
    EXPECT_EQ(mode_of(volumes.path(id)), 0600u);
    volumes.give_back(id, source);
    EXPECT_FALSE(volumes.exists(id));
    EXPECT_TRUE(read_file(source) == image.bytes());
  }
  EXPECT_EQ(volumes.processes(), 0u);
  expect_no_leftovers(volumes);
}

TEST_F(VolumesTest, what_is_taken_in_has_whole_sectors) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  MadeImage(1000, 'a').write(incoming("source"));
  EXPECT_EQ(volumes.take_in(incoming("source"), inspect_file(incoming("source"), ImageFormat::raw), id).virtual_size, 1024);
  EXPECT_EQ(read_file(volumes.path(id)), std::string(1000, 'a') + std::string(24, '\0'));
}

TEST_F(VolumesTest, a_qcow2_upload_is_rewritten_when_it_is_taken_in) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  made_qcow2(3, 16, 1 << 20).write(incoming("source"));
  volumes.take_in(incoming("source"), {ImageFormat::qcow2, 1 << 20}, id);
  EXPECT_EQ(volumes.processes(), 3u) << "one looks whether the sandbox works, one checks, one rewrites";
  EXPECT_NE(file_number(volumes.path(id)), file_number(incoming("source")));
}

TEST_F(VolumesTest, what_is_not_what_it_was_announced_as_is_not_taken_in_and_stays_where_it_is) {
  Volumes volumes(pool());
  const auto source = incoming("source");
  const auto code = [&](ImageFacts announced) { return code_of([&] { volumes.take_in(source, announced, ResourceId::random()); }); };
  made_qcow2(3, 16, 1 << 20).write(source);
  EXPECT_EQ(code({ImageFormat::raw, 4 << 16}), "image.format_mismatch");
  MadeImage(8192, 'a').write(source);
  EXPECT_EQ(code({ImageFormat::raw, 4096}), "image.corrupt");
  EXPECT_EQ(code({ImageFormat::iso, 8192}), "image.format_mismatch");
  fs::create_hard_link(source, incoming("other name"));
  EXPECT_EQ(code({ImageFormat::raw, 8192}), "image.corrupt") << "who has the other name could write to it";
  EXPECT_TRUE(fs::exists(source));
  EXPECT_TRUE(volumes.list().empty());
  expect_no_leftovers(volumes);
}

// Tables that lie: the header is sound, so that only reading them tells. Cluster 4 is the L2 table, 5 a guest's data.
MadeImage with_tables() {
  auto image = made_qcow2(3, 16, 1 << 20);
  const std::uint64_t cluster = 65536, used = 1ull << 63;
  image.big(3 * cluster, 8, used | 4 * cluster).big(4 * cluster, 8, used | 5 * cluster).put(5 * cluster, std::string(cluster, 'x'));
  return std::move(image.big(2 * cluster + 8, 2, 1).big(2 * cluster + 10, 2, 1));
}

TEST_F(VolumesTest, tables_that_lie_are_found_out) {
  constexpr std::uint64_t kCluster = 65536, kUsed = 1ull << 63, kCompressed = 1ull << 62;
  const std::vector<std::pair<std::string, MadeImage>> images{
      {"data behind the end", with_tables().big(4 * kCluster, 8, kUsed | 1ull << 40)},
      {"data cut off", with_tables().cut(5 * kCluster)},
      {"L2 table behind the end", with_tables().big(3 * kCluster, 8, kUsed | 1ull << 40)},
      {"L2 table unaligned", with_tables().big(3 * kCluster, 8, kUsed | (4 * kCluster + 512))},
      {"L1 table as its own L2 table", with_tables().big(3 * kCluster, 8, kUsed | 3 * kCluster)},
      {"header as L2 table", with_tables().big(3 * kCluster, 8, kUsed | 0x10000)},
      {"two entries with one cluster", with_tables().big(4 * kCluster + 8, 8, kUsed | 5 * kCluster)},
      {"block of reference counts behind the end", with_tables().big(kCluster, 8, 1ull << 50)},
      {"reserved bits", with_tables().big(4 * kCluster, 8, kUsed | 5 * kCluster | 0xfe)},
      {"compressed rubbish", with_tables().big(4 * kCluster, 8, kCompressed | 127ull << 54 | 5 * kCluster)},
  };
  Volumes volumes(pool());
  with_tables().write(incoming("source"));
  EXPECT_NO_THROW(volumes.launder(incoming("source"), {ImageFormat::qcow2, 1 << 20}, ResourceId::random())) << "the sound one";
  for (const auto& [what, image] : images) {
    image.write(incoming("source"));
    EXPECT_EQ(code_of_laundering(volumes, incoming("source"), {ImageFormat::qcow2, 1 << 20}), "image.corrupt")
        << what;
  }
  EXPECT_EQ(volumes.list().size(), 1u);
  expect_no_leftovers(volumes);
}

TEST_F(VolumesTest, removing_is_idempotent) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  volumes.create(id, ImageFormat::raw, 4096);
  volumes.remove(id);
  EXPECT_FALSE(volumes.exists(id));
  EXPECT_NO_THROW(volumes.remove(id));
}

TEST_F(VolumesTest, the_list_has_volumes_and_nothing_else) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  volumes.create(id, ImageFormat::raw, 4096);
  std::ofstream(pool() / "notes.txt") << "x";
  fs::create_directory(pool() / ResourceId::random().text());
  fs::create_symlink("/etc/passwd", pool() / ResourceId::random().text());
  EXPECT_EQ(volumes.list(), std::vector{id});
}

TEST_F(VolumesTest, a_quarantined_file_is_kept_also_beside_another_of_its_name) {
  Volumes volumes(pool());
  const auto id = ResourceId::random();
  for (const auto* text : {"one", "two"}) {
    std::ofstream(volumes.path(id)) << text;
    volumes.quarantine(id);
    EXPECT_FALSE(volumes.exists(id));
  }
  EXPECT_NO_THROW(volumes.quarantine(id));
  EXPECT_EQ(read_file(pool() / "quarantine" / id.text()), "one");
  EXPECT_EQ(read_file(pool() / "quarantine" / (id.text() + ".1")), "two");
  EXPECT_TRUE(volumes.list().empty());
}

TEST_F(VolumesTest, the_next_start_sweeps_what_is_half_made_and_keeps_the_rest) {
  const auto id = ResourceId::random();
  Volumes(pool()).create(id, ImageFormat::raw, 4096);
  fs::create_directories(pool() / ".work" / "half");
  std::ofstream(pool() / ".work" / "half" / "volume") << "x";
  const Volumes volumes(pool());
  EXPECT_EQ(volumes.list(), std::vector{id});
  expect_no_leftovers(volumes);
}

TEST_F(VolumesTest, programs_are_counted) {
  Volumes volumes(pool());
  for (const auto format : {ImageFormat::raw, ImageFormat::qcow2}) volumes.create(ResourceId::random(), format, 4096);
  EXPECT_EQ(volumes.processes(), 0u) << "an empty disk takes none";
  MadeImage(4096, 'a').write(incoming("source"));
  volumes.launder(incoming("source"), {ImageFormat::raw, 4096}, ResourceId::random());
  EXPECT_EQ(volumes.processes(), 2u) << "one looks once whether the sandbox works";
  volumes.launder(incoming("source"), {ImageFormat::raw, 4096}, ResourceId::random());
  EXPECT_EQ(volumes.processes(), 3u);
}

TEST_F(VolumesTest, volumes_of_different_ids_are_made_at_once) {
  Volumes volumes(pool());
  MadeImage(1 << 20, 'x').write(incoming("source"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      volumes.launder(incoming("source"), {ImageFormat::raw, 1 << 20}, ResourceId::random());
      volumes.create(ResourceId::random(), ImageFormat::qcow2, 1 << 20);
      volumes.create(ResourceId::random(), ImageFormat::raw, 1 << 20);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(volumes.list().size(), 24u);
  expect_no_leftovers(volumes);
}

// Runs `work` in a process whose pool lies on a file system of 4 MiB. Its exit status: what `work` returns; 77 where no such can be had.
int on_a_small_disk(const fs::path& pool, const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto uid = ::getuid(), gid = ::getgid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(77);
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
    ::mkdir(pool.c_str(), 0700);
    if (::mount("small", pool.c_str(), "tmpfs", 0, "size=4m") != 0) ::_exit(77);
    int status = 78;
    try {
      status = work();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    ::_exit(testing::Test::HasFailure() ? 79 : status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(VolumesTest, a_full_disk_is_told_and_leaves_nothing) {
  MadeImage(8 << 20, 'x').write(incoming("source"));
  qemu_img({"convert", "-f", "raw", "-O", "qcow2", incoming("source").string(), incoming("source.qcow2").string()});
  const int status = on_a_small_disk(pool(), [&] {
    Volumes volumes(pool());
    EXPECT_EQ(code_of_laundering(volumes, incoming("source"), {ImageFormat::raw, 8 << 20}), "storage.full");
    EXPECT_EQ(code_of_laundering(volumes, incoming("source.qcow2"), {ImageFormat::qcow2, 8 << 20}), "storage.full");
    expect_no_leftovers(volumes);
    EXPECT_TRUE(volumes.list().empty());
    std::ofstream(pool() / "filler") << std::string(5 << 20, 'x');
    EXPECT_EQ(code_of([&] { volumes.create(ResourceId::random(), ImageFormat::qcow2, 1 << 20); }), "storage.full");
    fs::remove(pool() / "filler");
    expect_no_leftovers(volumes);
    volumes.create(ResourceId::random(), ImageFormat::qcow2, 1 << 20);
    EXPECT_EQ(volumes.list().size(), 1u) << "it works again once there is room";
    return 0;
  });
  if (status == 77) GTEST_SKIP() << "no user namespaces here";
  EXPECT_EQ(status, 0);
}

TEST_F(VolumesTest, an_upload_on_another_file_system_than_the_pool_is_copied) {
  MadeImage(1 << 20, 'x').write(incoming("source"));
  const int status = on_a_small_disk(pool(), [&] {
    Volumes volumes(pool());
    const auto id = ResourceId::random();
    volumes.take_in(incoming("source"), {ImageFormat::raw, 1 << 20}, id);
    EXPECT_TRUE(read_file(volumes.path(id)) == read_file(incoming("source")));
    expect_no_leftovers(volumes);
    return 0;
  });
  if (status == 77) GTEST_SKIP() << "no user namespaces here";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace velocity::storage::test
