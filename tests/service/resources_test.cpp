#include "framework/service/resources.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <stdexcept>

#include "tests/service/house.hpp"
#include "tests/service/refusal.hpp"

namespace velocity::service {
namespace {

using model::ErrorCode;
using test::refusal;

constexpr std::int64_t kMebibyte = 1 << 20;

class ResourcesTest : public testing::Test {
 protected:
  ResourcesTest() {
    house_.accounts.create_root("root-password");
    for (const auto* name : {"alice", "bob"}) house_.accounts.create_user(house_.caller("root"), name, "password-1", {});
    house_.host.facts();
  }
  model::Gid group(const std::string& name) { return house_.caller(name).user().own_group; }

  test::TemporaryDirectory directory_;
  test::House house_{directory_ / "state"};
};

TEST_F(ResourcesTest, AnEmptyDiskIsAFileOfItsSizeThatTakesNoSpace) {
  const auto disk = house_.resources.create(house_.caller("alice"), "disk-image", group("alice"), "d", {{"size_mb", 100}, {"format", "raw"}});
  const auto file = house_.volumes.path(disk->id);
  EXPECT_EQ(std::filesystem::file_size(file), 100U * kMebibyte);
  EXPECT_EQ(disk->phase, model::Phase::ready);
}

TEST_F(ResourcesTest, WhatTheTypesSchemaRefusesIsReportedWithItsPath) {
  const auto error = test::refusal_of([&] {
    house_.resources.create(house_.caller("alice"), "disk-image", group("alice"), "d", {{"size_mb", 0}, {"format", "vmdk"}, {"colour", "red"}});
  });
  EXPECT_EQ(error.code(), ErrorCode::request_invalid);
  std::set<std::string> paths;
  for (const auto& problem : error.problems()) paths.insert(problem.path);
  EXPECT_EQ(paths, (std::set<std::string>{"/size_mb", "/format", "/colour"}));
  EXPECT_TRUE(house_.volumes.list().empty());
}

TEST_F(ResourcesTest, AnothersResourceAnswersLikeNone) {
  const auto disk = house_.resources.create(house_.caller("alice"), "disk-image", group("alice"), "d", {{"size_mb", 1}});
  EXPECT_EQ(refusal([&] { house_.resources.get(house_.caller("bob"), disk->id); }), ErrorCode::resource_not_found);
  EXPECT_EQ(refusal([&] { house_.resources.remove(house_.caller("bob"), disk->id); }), ErrorCode::resource_not_found);
  EXPECT_TRUE(house_.resources.list(house_.caller("bob"), {}).empty());
  EXPECT_EQ(refusal([&] { house_.resources.create(house_.caller("bob"), "disk-image", group("alice"), "x", {{"size_mb", 1}}); }), ErrorCode::group_not_found);
  EXPECT_EQ(house_.resources.list(house_.caller("root"), {}).size(), 1U);
}

TEST_F(ResourcesTest, ALabelIsTakenInItsGroupOnly) {
  house_.resources.create(house_.caller("alice"), "disk-image", group("alice"), "d", {{"size_mb", 1}});
  EXPECT_EQ(refusal([&] { house_.resources.create(house_.caller("alice"), "disk-image", group("alice"), "d", {{"size_mb", 1}}); }), ErrorCode::resource_label_taken);
  EXPECT_NO_THROW(house_.resources.create(house_.caller("bob"), "disk-image", group("bob"), "d", {{"size_mb", 1}}));
}

TEST_F(ResourcesTest, RemovingTakesTheFileAlong) {
  const auto disk = house_.resources.create(house_.caller("alice"), "disk-image", group("alice"), "d", {{"size_mb", 1}});
  house_.resources.remove(house_.caller("alice"), disk->id);
  EXPECT_TRUE(house_.volumes.list().empty());
  EXPECT_EQ(refusal([&] { house_.resources.get(house_.caller("alice"), disk->id); }), ErrorCode::resource_not_found);
}

TEST_F(ResourcesTest, AnUnknownTypeIsNotFound) {
  EXPECT_EQ(refusal([&] { house_.resources.create(house_.caller("alice"), "teapot", group("alice"), "t", {}); }), ErrorCode::type_not_found);
}

class UploadsTest : public ResourcesTest {
 protected:
  model::Upload begin(const std::string& format, std::int64_t length) {
    return house_.uploads.create(house_.caller("alice"), {group("alice"), "image", format, length});
  }
  static std::vector<std::byte> bytes(std::size_t count) { return std::vector<std::byte>(count, std::byte{0x5a}); }
};

TEST_F(UploadsTest, AnUploadInTwoPartsBecomesAResourceWithItsBytes) {
  const auto upload = begin("raw", 2 * kMebibyte);
  { house_.uploads.open(house_.caller("alice"), upload.id, 0)->append(bytes(kMebibyte)); }
  EXPECT_EQ(house_.uploads.status(house_.caller("alice"), upload.id).offset, kMebibyte);
  auto writer = house_.uploads.open(house_.caller("alice"), upload.id, kMebibyte);
  writer->append(bytes(kMebibyte));
  ASSERT_TRUE(writer->complete());
  const auto id = writer->finish();
  writer.reset();
  const auto view = house_.resources.get(house_.caller("alice"), id);
  EXPECT_EQ(view.resource->spec.at("size_mb"), 2);
  EXPECT_EQ(view.resource->spec.at("format"), "raw");
  std::ifstream file(house_.volumes.path(id), std::ios::binary);
  EXPECT_EQ(file.get(), 0x5a);
  EXPECT_TRUE(std::filesystem::is_empty(house_.state.incoming()));
  EXPECT_EQ(refusal([&] { house_.uploads.status(house_.caller("alice"), upload.id); }), ErrorCode::upload_not_found);
}

TEST_F(UploadsTest, AnImageThatLiesIsRefusedAndGone) {
  const auto upload = begin("qcow2", kMebibyte);
  auto writer = house_.uploads.open(house_.caller("alice"), upload.id, 0);
  EXPECT_EQ(refusal([&] {
              writer->append(bytes(kMebibyte));
              writer->finish();
            }),
            ErrorCode::image_format_mismatch);
  writer.reset();
  EXPECT_TRUE(std::filesystem::is_empty(house_.state.incoming()));
  EXPECT_EQ(refusal([&] { house_.uploads.status(house_.caller("alice"), upload.id); }), ErrorCode::upload_not_found);
}

TEST_F(UploadsTest, WhatIsAnnouncedIsCheckedAllAtOnce) {
  const auto error = test::refusal_of([&] { house_.uploads.create(house_.caller("alice"), {group("alice"), "..", "vmdk", 0}); });
  std::set<std::string> paths;
  for (const auto& problem : error.problems()) paths.insert(problem.path);
  EXPECT_EQ(paths, (std::set<std::string>{"/label", "/format", "/length"}));
}

TEST_F(UploadsTest, ALabelIsTakenFromTheAnnouncementOn) {
  begin("raw", kMebibyte);
  EXPECT_EQ(refusal([&] { begin("raw", kMebibyte); }), ErrorCode::resource_label_taken);
  EXPECT_EQ(refusal([&] { house_.resources.create(house_.caller("alice"), "disk-image", group("alice"), "image", {{"size_mb", 1}}); }),
            ErrorCode::resource_label_taken);
}

TEST_F(UploadsTest, OneWriterAtATimeAndOnlyWhereItStands) {
  const auto upload = begin("raw", kMebibyte);
  const auto writer = house_.uploads.open(house_.caller("alice"), upload.id, 0);
  EXPECT_EQ(refusal([&] { house_.uploads.open(house_.caller("alice"), upload.id, 0); }), ErrorCode::upload_busy);
  EXPECT_EQ(refusal([&] { house_.uploads.remove(house_.caller("alice"), upload.id); }), ErrorCode::upload_busy);
  const auto other = house_.uploads.create(house_.caller("alice"), {group("alice"), "other", "raw", kMebibyte});
  EXPECT_EQ(refusal([&] { house_.uploads.open(house_.caller("alice"), other.id, 512); }), ErrorCode::upload_offset_mismatch);
  EXPECT_NO_THROW(house_.uploads.open(house_.caller("alice"), other.id, 0));  // the failed one let go
}

TEST_F(UploadsTest, AnothersUploadAnswersLikeNone) {
  const auto upload = begin("raw", kMebibyte);
  EXPECT_EQ(refusal([&] { house_.uploads.open(house_.caller("bob"), upload.id, 0); }), ErrorCode::upload_not_found);
  EXPECT_EQ(refusal([&] { house_.uploads.remove(house_.caller("bob"), upload.id); }), ErrorCode::upload_not_found);
}

TEST_F(UploadsTest, MoreThanAnnouncedIsRefused) {
  const auto upload = begin("raw", kMebibyte);
  const auto writer = house_.uploads.open(house_.caller("alice"), upload.id, 0);
  EXPECT_EQ(refusal([&] { writer->append(bytes(kMebibyte + 1)); }), ErrorCode::request_too_large);
}

TEST_F(UploadsTest, ZerosTakeNoRoomAndCountAsWhatHasArrived) {
  const auto upload = begin("raw", 64 * kMebibyte + 1000);
  const std::vector<std::byte> zeros(16 * kMebibyte);
  {
    const auto writer = house_.uploads.open(house_.caller("alice"), upload.id, 0);
    writer->append(zeros);
    EXPECT_EQ(house_.uploads.status(house_.caller("alice"), upload.id).offset, 16 * kMebibyte) << "so many are told of at once";
    writer->append(bytes(kMebibyte));
    writer->append(std::span(zeros).first(kMebibyte));
    writer->append(std::span(zeros).first(15 * kMebibyte));
  }
  EXPECT_EQ(house_.uploads.status(house_.caller("alice"), upload.id).offset, 33 * kMebibyte) << "though it ends in zeros";
  const auto writer = house_.uploads.open(house_.caller("alice"), upload.id, 33 * kMebibyte);
  writer->append(zeros);
  writer->keep();
  EXPECT_EQ(house_.uploads.status(house_.caller("alice"), upload.id).offset, 49 * kMebibyte);
  writer->append(std::span(zeros).first(15 * kMebibyte + 1000));
  const auto file = house_.volumes.path(writer->finish());
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 64 * kMebibyte + 1024) << "whole sectors";
  EXPECT_LT(status.st_blocks * 512, 3 * kMebibyte);
  std::ifstream read(file, std::ios::binary);
  const auto byte_at = [&](std::int64_t offset) { return read.seekg(offset).get(); };
  EXPECT_EQ(byte_at(16 * kMebibyte - 1), 0);
  EXPECT_EQ(byte_at(16 * kMebibyte), 0x5a);
  EXPECT_EQ(byte_at(17 * kMebibyte - 1), 0x5a);
  EXPECT_EQ(byte_at(17 * kMebibyte), 0);
}

// A raw image is moved into the pool before its resource is listed.
TEST_F(UploadsTest, AnUploadThatCouldNotBeListedIsAsItWasAndCanBeFinishedAgain) {
  const auto upload = begin("raw", 1000);
  {
    const auto writer = house_.uploads.open(house_.caller("alice"), upload.id, 0);
    writer->append(bytes(1000));
    EXPECT_THROW(writer->finish([](int mille) {
      if (mille == 1000) throw std::runtime_error("the server stops");
    }),
                 std::runtime_error);
  }
  EXPECT_TRUE(house_.volumes.list().empty());
  EXPECT_EQ(house_.uploads.status(house_.caller("alice"), upload.id).offset, 1000);
  EXPECT_EQ(house_.uploads.open(house_.caller("alice"), upload.id, 1000)->finish(), upload.resource);
}

TEST_F(UploadsTest, AnUploadThatHadBecomeAVolumeWhenTheServerDiedIsFinishedAtTheNextStart) {
  const auto upload = begin("raw", 1000);
  const auto source = house_.state.incoming() / upload.id.text();
  house_.uploads.open(house_.caller("alice"), upload.id, 0)->append(bytes(1000));
  house_.volumes.take_in(source, {storage::ImageFormat::raw, 1024}, upload.resource);
  house_.uploads.sweep();
  EXPECT_EQ(house_.uploads.status(house_.caller("alice"), upload.id).offset, 1000);
  house_.uploads.finish_complete({});
  EXPECT_EQ(house_.resources.get(house_.caller("alice"), upload.resource).resource->label, "image");
  EXPECT_EQ(std::filesystem::file_size(house_.volumes.path(upload.resource)), 1024U);
}

}  // namespace
}  // namespace velocity::service
