#include "framework/libvirt/domain_xml.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/libvirt/example_machines.hpp"
#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

// Compares with golden/<name>.xml. With VELOCITY_ACCEPT_GOLDEN set it writes that file instead and skips, so that a run that accepts
// can never be taken for one that passed.
class GoldenXml : public testing::TestWithParam<Example> {};

TEST_P(GoldenXml, IsWhatWasAccepted) {
  const Example example = GetParam();
  const std::filesystem::path file = std::filesystem::path(VELOCITY_GOLDEN) / (example.name + ".xml");
  const std::string xml = domain_xml(example.parts, example.facts);
  if (std::getenv("VELOCITY_ACCEPT_GOLDEN") != nullptr) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << xml;
    GTEST_SKIP() << "wrote " << file << "; read what git diff says of it";
  }
  EXPECT_EQ(xml, read_file(file)) << "set VELOCITY_ACCEPT_GOLDEN=1 to accept";
}

INSTANTIATE_TEST_SUITE_P(Examples, GoldenXml, testing::ValuesIn(examples()), [](const auto& info) { return info.param.name; });

TEST(DomainXml, MarkupInATitleStaysText) {
  DomainParts parts = plain_machine();
  parts.title = "</title><devices><emulator>/bin/sh</emulator></devices>\n\"'&";
  const std::string xml = domain_xml(parts, tcg_host());
  EXPECT_EQ(xml.find("/bin/sh</emulator>"), std::string::npos);
  EXPECT_NE(xml.find("&lt;/title&gt;&lt;devices&gt;&lt;emulator&gt;/bin/sh&lt;/emulator&gt;"), std::string::npos) << xml;
}

TEST(DomainXml, TheNameIsTheIdWhateverTheTitle) {
  DomainParts parts = plain_machine();
  parts.title = "../../etc/passwd";
  EXPECT_NE(domain_xml(parts, tcg_host()).find("<name>" + parts.id.text() + "</name>"), std::string::npos);
}

TEST(DomainXml, ADiskWithoutABackingStoreGetsAnEmptyOne) {
  DomainParts parts = plain_machine();
  parts.allowed_files = {"/pools/a.qcow2"};
  parts.fragments.push_back(
      {"devices", "<disk type='file'><driver type='qcow2'/><source file='/pools/a.qcow2'/><target dev='vda' bus='virtio'/></disk>",
       "test"});
  const std::string xml = domain_xml(parts, tcg_host());
  EXPECT_NE(xml.find("<backingStore />"), std::string::npos) << xml;
  EXPECT_NE(xml.find("name=\"qemu\""), std::string::npos) << xml;
}

TEST(DomainXml, ASocketPathThatIsTooLongIsAnErrorBeforeLibvirtCutsIt) {
  DomainParts parts = plain_machine();
  parts.displays = true;
  parts.run_directory = "/" + std::string(80, 'r');
  EXPECT_THROW(domain_xml(parts, tcg_host()), model::Error);
}

}  // namespace
}  // namespace velocity::libvirt
