// The seed image as others read it: blkid, libarchive's bsdtar and xorriso.
#include "framework/storage/seed_image.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "framework/model/error.hpp"
#include "tests/support/temporary_directory.hpp"

namespace velocity::storage {
namespace {

using testing::HasSubstr;

class SeedImageTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::map<std::string, std::string>& entries) {
    const auto file = directory_.path() / "seed.iso";
    write_private_file(file, seed_image("cidata", entries));
    return file;
  }
  static std::string output(const std::string& command) {
    std::string text;
    FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
    return ::pclose(pipe) == 0 ? text : "the command failed: " + command + "\n" + text;
  }

  test::TemporaryDirectory directory_;
  // Not a multiple of the format's 2048 bytes, and one that is empty.
  std::string user_data_ = "#cloud-config\n# Größe: " + std::string(5000, 'x') + "\n";
};

TEST_F(SeedImageTest, CarriesTheLabelThatCloudInitLooksFor) {
  const auto file = write({{"meta-data", "instance-id: a\n"}, {"user-data", user_data_}});
  EXPECT_THAT(output("/usr/sbin/blkid -p -s TYPE -o value " + file.string()), testing::StrEq("iso9660\n"));
  EXPECT_THAT(output("/usr/sbin/blkid -p -s LABEL -o value " + file.string()), testing::StrCaseEq("cidata\n"));
}

TEST_F(SeedImageTest, ReadsBackWithLibarchive) {
  const auto file = write({{"meta-data", "instance-id: a\n"}, {"network-config", ""}, {"user-data", user_data_}});
  EXPECT_EQ(output("bsdtar -tf " + file.string() + " | sort"), ".\nmeta-data\nnetwork-config\nuser-data\n");
  EXPECT_EQ(output("bsdtar -xOf " + file.string() + " user-data"), user_data_);
  EXPECT_EQ(output("bsdtar -xOf " + file.string() + " network-config"), "");
}

TEST_F(SeedImageTest, ReadsBackWithXorriso) {
  const auto file = write({{"meta-data", "instance-id: a\n"}, {"user-data", user_data_}});
  const auto extracted = directory_.path() / "extracted";
  output("xorriso -osirrox on -indev " + file.string() + " -extract /user-data " + extracted.string());
  std::ifstream in(extracted, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), user_data_);
}

TEST_F(SeedImageTest, IsForTheServersUserAlone) {
  struct stat status {};
  ASSERT_EQ(::stat(write({{"user-data", "secret"}}).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(SeedImageTest, ALabelThatTheFormatCannotHoldIsRefused) { EXPECT_THROW(seed_image(std::string(40, 'A'), {}), model::Error); }

TEST_F(SeedImageTest, AFileIsReplacedAndALinkIsNotFollowed) {
  const auto file = directory_.path() / "file";
  const auto victim = directory_.path() / "victim";
  std::ofstream(victim) << "mine";
  std::filesystem::create_symlink(victim, file);
  std::filesystem::create_symlink(victim, file.string() + ".new");
  write_private_file(file, "new");
  EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(file)));
  std::ifstream in(victim);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "mine");
}

}  // namespace
}  // namespace velocity::storage
