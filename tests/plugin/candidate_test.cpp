#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

using CandidateTest = PluginTest;

// Changes the first program header of a type in a copy of the plugin.
template <class Change>
std::string with_header(std::string file, std::uint32_t type, Change&& change) {
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof header);
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const auto at = header.e_phoff + i * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    std::memcpy(&segment, file.data() + at, sizeof segment);
    if (segment.p_type != type) continue;
    change(segment);
    std::memcpy(file.data() + at, &segment, sizeof segment);
    return file;
  }
  throw std::logic_error("no such segment");
}

TEST_F(CandidateTest, TheManifestIsReadWithoutLoading) {
  const auto candidate = examine(good("disk-image"));
  EXPECT_EQ(code(candidate), "");
  EXPECT_EQ(candidate.manifest.name, "disk-image");
  EXPECT_EQ(candidate.manifest.licence, "Apache-2.0");
  EXPECT_EQ(candidate.manifest.abi_major, 1);
  EXPECT_EQ(candidate.manifest.provides, std::vector<std::string>{"resource/disk-image"});
  EXPECT_EQ(candidate.digest.size(), 64U);
}

TEST_F(CandidateTest, AStrippedPluginTellsAsMuch) {
  const auto file = copy(bad("minimal"));
  ASSERT_EQ(std::system(("strip " + file.string()).c_str()), 0);
  EXPECT_EQ(examine(file).manifest.name, "minimal");
  EXPECT_EQ(code(examine(file)), "");
}

TEST_F(CandidateTest, ALinkIsRefusedAlsoWhenItsTargetIsGood) {
  fs::create_symlink(good("efi"), directory_ / "efi.so");
  EXPECT_EQ(code(examine(directory_ / "efi.so")), "plugin.symlink");
}

TEST_F(CandidateTest, ADirectoryThatIsReachedByALinkIsNotRefused) {
  copy(bad("minimal"));
  fs::create_symlink(directory_, directory_ / "link");
  EXPECT_EQ(code(examine(directory_ / "link" / "minimal.so")), "");
}

TEST_F(CandidateTest, AFileThatOthersMayWriteIsRefused) {
  const auto file = copy(bad("minimal"));
  chmod(file.c_str(), 0666);
  EXPECT_EQ(code(examine(file)), "plugin.untrusted_writable");
  chmod(file.c_str(), 0664);
  EXPECT_EQ(code(examine(file)), "plugin.untrusted_writable");
  EXPECT_NE(examine(file).refusal->fix.find("chmod go-w"), std::string::npos);
}

TEST_F(CandidateTest, AFileInADirectoryThatOthersMayWriteIsRefused) {
  fs::create_directories(directory_ / "open" / "closed");
  fs::copy_file(bad("minimal"), directory_ / "open" / "closed" / "minimal.so");
  chmod((directory_ / "open").c_str(), 0777);
  EXPECT_EQ(code(examine(directory_ / "open" / "closed" / "minimal.so")), "plugin.untrusted_directory");
  chmod((directory_ / "open").c_str(), 01777);  // as /tmp: nobody can exchange what is another's
  EXPECT_EQ(code(examine(directory_ / "open" / "closed" / "minimal.so")), "");
}

// As a checkout is that was built with umask 002: the same group may write the program, its plugins and their directory.
TEST_F(CandidateTest, AGroupThatMayWriteTheProgramItselfIsTrusted) {
  const auto program = directory_ / "velocity-plugin";
  fs::copy_file(VELOCITY_PROBE, program);
  const auto shared = directory_ / "shared";
  fs::create_directory(shared);
  fs::copy_file(bad("minimal"), shared / "minimal.so");
  const auto inspect = [&] { return std::system((program.string() + " inspect " + (shared / "minimal.so").string() + " >/dev/null").c_str()); };
  for (const auto& file : {shared, shared / "minimal.so"}) chmod(file.c_str(), 0775);
  EXPECT_NE(inspect(), 0);
  chmod(program.c_str(), 0775);
  EXPECT_EQ(inspect(), 0);
  chmod(shared.c_str(), 0777);
  EXPECT_NE(inspect(), 0);
}

TEST_F(CandidateTest, AnotherUsersFileIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const auto file = copy(bad("minimal"));
  ASSERT_EQ(chown(file.c_str(), 12345, 12345), 0);
  EXPECT_EQ(code(examine(file)), "plugin.untrusted_owner");
}

TEST_F(CandidateTest, WhatIsNoFileIsRefusedWithoutWaitingForIt) {
  mkfifo((directory_ / "fifo.so").c_str(), 0600);
  fs::create_directory(directory_ / "directory.so");
  EXPECT_EQ(code(examine(directory_ / "fifo.so")), "plugin.not_a_file");
  EXPECT_EQ(code(examine(directory_ / "directory.so")), "plugin.not_a_file");
  EXPECT_EQ(code(examine(directory_ / "absent.so")), "plugin.unreadable");
  EXPECT_EQ(code(examine(directory_ / "absent" / "absent.so")), "plugin.unreadable");
}

TEST_F(CandidateTest, WhatIsNoElfFileIsRefused) {
  EXPECT_EQ(code(examine(write("text.so", "this is a text, long enough to have an ELF header's size, and a little more"))), "plugin.not_elf");
  EXPECT_EQ(code(examine(write("short.so", "hello"))), "plugin.not_elf");
  EXPECT_EQ(code(examine(write("empty.so", ""))), "plugin.truncated");
}

TEST_F(CandidateTest, ATruncatedPluginIsRefusedWhereverItEnds) {
  const auto whole = read(bad("minimal"));
  std::size_t loaded = 0;  // where the last segment that is mapped ends
  with_header(whole, PT_LOAD, [](auto&) {});
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, whole.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD) loaded = std::max(loaded, segment.p_offset + segment.p_filesz);
  }
  for (const std::size_t size : {std::size_t{4}, std::size_t{63}, std::size_t{64}, std::size_t{200}, std::size_t{4096}, loaded / 2, loaded - 1})
    EXPECT_EQ(code(examine(write("cut.so", whole.substr(0, size)))), "plugin.truncated") << size;
}

TEST_F(CandidateTest, TheDigestIsOfWhatIsMappedWhateverStandsBehindIt) {
  const auto whole = read(bad("minimal"));
  const auto before = examine(write("plugin.so", whole)).digest;
  ASSERT_EQ(before.size(), 64U);
  const std::string padding(2 * 64 * 1024, 'x');  // farther than any page reaches
  const auto padded = examine(write("plugin.so", whole + padding));
  EXPECT_EQ(code(padded), "");
  EXPECT_EQ(examine(write("plugin.so", whole + padding + "and more")).digest, padded.digest);
  auto changed = whole;
  changed[whole.find("Velocity\0") - 1] ^= 1;  // in a segment
  EXPECT_NE(examine(write("plugin.so", changed)).digest, before);
}

TEST_F(CandidateTest, ProgramHeadersThatStandElsewhereAreFound) {
  auto file = read(bad("minimal"));
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof header);
  const auto table = file.substr(header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr));
  file.resize((file.size() + 7) / 8 * 8);
  header.e_phoff = file.size();
  std::memcpy(file.data(), &header, sizeof header);
  const auto moved = examine(write("moved.so", file + table));
  EXPECT_EQ(code(moved), "");
  EXPECT_EQ(moved.manifest.name, "minimal");
}

TEST_F(CandidateTest, APluginForAnotherMachineIsRefused) {
  auto file = read(bad("minimal"));
  file[18] = static_cast<char>(EM_S390);
  file[19] = 0;
  EXPECT_EQ(code(examine(write("s390.so", file))), "plugin.wrong_machine");
}

TEST_F(CandidateTest, ALibraryThatIsNoPluginIsRefused) {
  auto file = read(bad("minimal"));
  file.replace(file.find("Velocity\0"), 8, "Velocito");
  EXPECT_EQ(code(examine(write("library.so", file))), "plugin.no_manifest");
}

TEST_F(CandidateTest, AManifestThatIsNotAsTheContractSaysIsRefused) {
  EXPECT_EQ(code(examine(patched(bad("minimal"), R"("name":"minimal")", R"("name":"m nimal")"))), "plugin.manifest_invalid");
  EXPECT_EQ(code(examine(patched(bad("minimal"), R"("version":)", R"("versiom":)"))), "plugin.manifest_invalid");
  EXPECT_EQ(code(examine(patched(bad("minimal"), R"({"name":)", R"(["name":)"))), "plugin.manifest_invalid");
  EXPECT_EQ(code(examine(patched(bad("minimal"), R"("resource/minimal")", R"("resource/..inima")"))), "plugin.manifest_invalid");
  EXPECT_EQ(code(examine(patched(bad("minimal"), R"("resource/minimal")", R"("resourse/minimal")"))), "plugin.manifest_invalid");
  EXPECT_EQ(code(examine(patched(bad("minimal"), R"("resource/minimal")", R"(7                 )"))), "plugin.manifest_invalid");
}

TEST_F(CandidateTest, AnotherAbiIsRefusedAndTheFixSaysWhoIsTooOld) {
  const auto newer = examine(patched(bad("minimal"), R"("major":1)", R"("major":2)"));
  EXPECT_EQ(code(newer), "plugin.abi_major");
  EXPECT_NE(newer.refusal->fix.find("newer server"), std::string::npos);
  EXPECT_EQ(newer.manifest.name, "minimal");  // so that the report can name what is missing
  EXPECT_EQ(newer.manifest.provides, std::vector<std::string>{"resource/minimal"});
}

TEST_F(CandidateTest, APluginThatNeedsANewerMinorIsRefused) {
  EXPECT_EQ(code(examine(patched(bad("minimal"), R"("minor":0)", R"("minor":9)"))), "plugin.abi_minor");
}

TEST_F(CandidateTest, APluginThatAsksForAnExecutableStackIsRefused) {
  const auto file = with_header(read(bad("minimal")), PT_GNU_STACK, [](Elf64_Phdr& segment) { segment.p_flags |= PF_X; });
  EXPECT_EQ(code(examine(write("stack.so", file))), "plugin.executable_stack");
}

TEST_F(CandidateTest, APluginThatCouldBeUnloadedIsRefused) {
  const auto file = with_header(read(bad("minimal")), PT_DYNAMIC, [](Elf64_Phdr& segment) { segment.p_type = PT_NULL; });
  EXPECT_EQ(code(examine(write("unloadable.so", file))), "plugin.unloadable");
}

TEST_F(CandidateTest, SegmentsOfImpossibleSizeAreRefused) {
  const auto whole = read(bad("minimal"));
  const auto huge = with_header(whole, PT_LOAD, [](Elf64_Phdr& segment) { segment.p_memsz = std::uint64_t{1} << 50; });
  const auto wrapping = with_header(whole, PT_LOAD, [](Elf64_Phdr& segment) { segment.p_offset = UINT64_MAX - 10; });
  const auto note = with_header(whole, PT_NOTE, [](Elf64_Phdr& segment) { segment.p_filesz = UINT64_MAX; });
  EXPECT_EQ(code(examine(write("huge.so", huge))), "plugin.malformed");
  EXPECT_EQ(code(examine(write("wrapping.so", wrapping))), "plugin.truncated");
  EXPECT_EQ(code(examine(write("note.so", note))), "plugin.truncated");
}

}  // namespace
}  // namespace velocity::plugin
