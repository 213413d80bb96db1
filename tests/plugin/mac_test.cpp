#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "tests/plugin/vm_type_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto* kLoader = "6f1c1b3e-6d3a-4b1e-9a55-0d1f6f0e7c11";
// Made up: no computer has it.
const std::string kFirstHalf = "this is no key of any controller";
const std::string kSecondHalf = "it only has the length of one...";

class MacTest : public VmTypeTest {
 protected:
  MacTest() : VmTypeTest("mac", {{"vendor_file", "/nowhere/sys_vendor"}}) {}

  fs::path key_file(const std::string& content, fs::perms mode = fs::perms::owner_read | fs::perms::owner_write) {
    const auto file = write("key", content);
    fs::permissions(file, mode);
    return file;
  }
  std::string why_not(const Json& given) {
    configure(given);
    const auto verdict = type_->host_check(host("test"));
    return verdict.available ? "" : verdict.why_not;
  }
  std::string planned_key() const {
    const auto files = plan_all(host(), wanted()).files;
    return files.size() == 1 && files[0].name == "smc.cfg" ? std::get<AppleSmc>(files[0].content).key : "";
  }
  static Wanted wanted() {
    return {.spec = {{"bootloader", kLoader}, {"model", "MacPro7,1"}},
            .resources = {{"bootloader", {{"path", "/pool/opencore"}, {"spec", {{"format", "qcow2"}}}}}},
            .displays = {{{"width", 1280}, {"height", 800}}},
            .cpu_count = 4};
  }
};

TEST_F(MacTest, WithoutAKeyItIsNotAvailableAndSaysWhy) {
  const auto verdict = type_->host_check(host());
  EXPECT_FALSE(verdict.available);
  EXPECT_EQ(verdict.why_not, "This host is no Apple hardware, and the administrator has set no smc_key_file for the plugin mac");
}

TEST_F(MacTest, TheAdministratorsFileGivesTheKey) {
  EXPECT_EQ(why_not({{"smc_key_file", key_file(kFirstHalf + kSecondHalf + "\n").string()}}), "");
  EXPECT_EQ(planned_key(), kFirstHalf + kSecondHalf);
}

TEST_F(MacTest, AFileThatIsNotTheAdministratorsAloneIsRefused) {
  using fs::perms;
  const auto why = [&](const fs::path& file) { return why_not({{"smc_key_file", file.string()}}); };
  EXPECT_THAT(why(key_file(kFirstHalf + kSecondHalf, perms::owner_read | perms::group_read)), HasSubstr("chmod 600"));
  EXPECT_THAT(why(key_file("too short")), HasSubstr("64 characters"));
  EXPECT_THAT(why(key_file(std::string(63, 'a') + "\"")), HasSubstr("64 characters"));
  EXPECT_THAT(why(key_file(std::string(1000, 'a'))), HasSubstr("64 characters"));
  EXPECT_THAT(why(directory_ / "missing"), HasSubstr("cannot be opened"));
  key_file(kFirstHalf + kSecondHalf);
  fs::create_symlink(directory_ / "key", directory_ / "link");
  EXPECT_THAT(why(directory_ / "link"), HasSubstr("cannot be opened"));
  EXPECT_THAT(why(directory_), HasSubstr("no regular file"));
}

// Linux's driver, as far as the plugin asks it: whichever number is written to key_at_index is what the two other files tell of.
class PretendedController {
 public:
  explicit PretendedController(const fs::path& directory, std::vector<std::pair<std::string, std::string>> keys)
      : directory_(directory), keys_(std::move(keys)) {
    fs::create_directory(directory);
    std::ofstream(directory / "key_count") << keys_.size() << "\n";
    for (const auto* name : {"key_at_index", "key_at_index_name", "key_at_index_data"}) mkfifo((directory / name).c_str(), 0600);
    thread_ = std::thread([this] { serve(); });
  }
  ~PretendedController() { thread_.join(); }

 private:
  void serve() {
    for (const auto& [name, value] : keys_) {
      std::string number;
      std::ifstream(directory_ / "key_at_index") >> number;
      std::ofstream(directory_ / "key_at_index_name") << name << "\n";
      if (name.starts_with("OSK")) std::ofstream(directory_ / "key_at_index_data") << value;
    }
  }

  fs::path directory_;
  std::vector<std::pair<std::string, std::string>> keys_;
  std::thread thread_;
};

TEST_F(MacTest, AppleHardwareGivesItsOwnKey) {
  const auto vendor = write("sys_vendor", "Apple Inc.\n");
  const auto controller = directory_ / "applesmc";
  // In the server's own process: the probing child has read it already, so it does without settings.
  const PretendedController pretended(controller, {{"FNum", "2"}, {"OSK0", kFirstHalf}, {"OSK1", kSecondHalf}});
  EXPECT_EQ(why_not({{"vendor_file", vendor.string()}, {"controller_directory", controller.string()}}), "");
  EXPECT_EQ(planned_key(), kFirstHalf + kSecondHalf);
}

TEST_F(MacTest, AppleHardwareWithoutItsDriverSaysSo) {
  const auto vendor = write("sys_vendor", "Apple Inc.\n");
  EXPECT_THAT(why_not({{"vendor_file", vendor.string()}, {"controller_directory", "/nowhere"}}), HasSubstr("load the driver applesmc"));
  EXPECT_THAT(why_not({{"vendor_file", write("other", "Apple Inc. of nowhere\n").string()}}), HasSubstr("no Apple hardware"));
}

TEST_F(MacTest, TheMachineHasWhatMacOsLooksFor) {
  configure({{"smc_key_file", key_file(kFirstHalf + kSecondHalf).string()}});
  EXPECT_THAT(
      plan(host(), wanted()),
      ElementsAre("os <os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
                  "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/><smbios mode='sysinfo'/></os>",
                  kFeatures, kClock,
                  "cpu <cpu mode='custom' match='exact' check='none'><model fallback='forbid' vendor_id='GenuineIntel'>Skylake-Client-noTSX-IBRS</model>"
                  "<topology sockets='1' dies='1' cores='4' threads='1'/></cpu>",
                  "sysinfo <sysinfo type='smbios'>"
                  "<system><entry name='manufacturer'>Apple Inc.</entry><entry name='product'>MacPro7,1</entry></system>"
                  "<baseBoard><entry name='manufacturer'>Apple Inc.</entry><entry name='product'>MacPro7,1</entry></baseBoard></sysinfo>",
                  "extensions <appleSmc config='/state/machines/7b0ec6fa/smc.cfg'/>",
                  "devices <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/pool/opencore'/><backingStore/>"
                  "<target dev='vdzz' bus='virtio'/><readonly/><boot order='1'/></disk>",
                  kUsb, kScsi, "devices <video><model type='vga' heads='1' primary='yes'><resolution x='1280' y='800'/></model></video>",
                  "devices <input type='tablet' bus='usb'/>", "devices <input type='keyboard' bus='usb'/>"));
}

TEST_F(MacTest, UnderKvmItsClockIsTheHostsIfThatIsSteady) {
  configure({{"smc_key_file", key_file(kFirstHalf + kSecondHalf).string()}});
  EXPECT_THAT(plan(host("kvm", "kvm"), wanted()), Contains(HasSubstr("<feature policy='optional' name='invtsc'/></cpu>")));
}

TEST_F(MacTest, TheKeyIsInNoFragmentAndNoDescription) {
  configure({{"smc_key_file", key_file(kFirstHalf + kSecondHalf).string()}});
  for (const auto& line : plan(host(), wanted())) EXPECT_THAT(line, testing::Not(HasSubstr(kFirstHalf)));
  const auto& info = type_->info();
  EXPECT_THAT((info.schema.dump() + info.examples.dump() + info.capabilities.dump()), testing::Not(HasSubstr(kFirstHalf)));
  for (const auto& line : services_.logged) EXPECT_THAT(line, testing::Not(HasSubstr(kFirstHalf)));
}

TEST_F(MacTest, OneScreenIsAllThatItsGraphicsHave) {
  auto two = wanted();
  two.displays = std::vector<Json>(2, {{"width", 640}, {"height", 480}});
  EXPECT_THAT(problems([&] { plan(host(), two); }), ElementsAre("/displays: must have at most 1 entry"));
}

TEST_F(MacTest, AModelIsOneOfApplesIdentifiers) {
  const auto refusals = [&](const std::string& model) { return problems([&] { type_->validate({{"bootloader", kLoader}, {"model", model}}); }); };
  for (const auto* model : {"iMacPro1,1", "MacBookPro16,1", "Macmini8,1"}) EXPECT_THAT(refusals(model), testing::IsEmpty()) << model;
  for (const auto* model : {"", "iMac", "1,1", "iMac,1", "iMac1,", "iMac1,1\n", "iMac 1,1", "iMac1,1,1", "PC"})
    EXPECT_THAT(refusals(model), ElementsAre("/model: must be an identifier as Apple writes them, for example iMacPro1,1")) << model;
  EXPECT_EQ(type_->validate({{"bootloader", kLoader}}).at("model"), "iMacPro1,1");
}

}  // namespace
}  // namespace velocity::plugin
