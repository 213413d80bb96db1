#include "framework/libvirt/domain_xml.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "framework/libvirt/devices.hpp"
#include "framework/libvirt/guest_devices.hpp"
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

TEST(DomainXml, AnImageThatIsABlockDeviceIsGivenAsOne) {
  DomainParts parts = plain_machine();
  parts.allowed_files = parts.devices = {"/dev/group/a"};
  parts.fragments.push_back({"devices", "<disk type='file'><driver type='raw'/><source file='/dev/group/a'/><target dev='vda' bus='virtio'/></disk>", "test"});
  const std::string xml = domain_xml(parts, tcg_host());
  EXPECT_NE(xml.find("<disk type=\"block\">"), std::string::npos) << xml;
  EXPECT_NE(xml.find("<source dev=\"/dev/group/a\" />"), std::string::npos) << xml;
  EXPECT_EQ(devices_in(xml).front().source, "/dev/group/a");
}

TEST(DomainXml, WhatLiesBelowAnImageIsWhatTheCoreSaysWhateverThePluginSays) {
  for (const char* said : {"", "<backingStore/>"}) {
    DomainParts parts = plain_machine();
    parts.allowed_files = {"/pools/top", "/pools/other"};
    parts.backing = {{"/pools/top", {{"/pools/middle", "qcow2"}, {"/pools/base", "raw"}}}};
    parts.fragments.push_back({"devices", std::string("<disk type='file'><driver type='qcow2'/><source file='/pools/top'/>") + said + "<target dev='vda' bus='virtio'/></disk>", "test"});
    parts.fragments.push_back(
        {"devices", "<disk type='file'><driver type='raw'/><source file='/pools/other'/><target dev='vdb' bus='virtio'/></disk>", "test"});
    auto xml = domain_xml(parts, tcg_host());
    for (std::size_t at = 0; (at = xml.find_first_of("\n", at)) != std::string::npos;) xml.erase(at, xml.find_first_not_of(" \n", at) - at);
    EXPECT_NE(xml.find("<backingStore type=\"file\"><format type=\"qcow2\" /><source file=\"/pools/middle\" /><backingStore type=\"file\"><format type=\"raw\" />"
                       "<source file=\"/pools/base\" /><backingStore /></backingStore></backingStore>"),
              std::string::npos)
        << xml;
    EXPECT_NE(xml.find("<source file=\"/pools/other\" /><target dev=\"vdb\" bus=\"virtio\" /><backingStore />"), std::string::npos) << xml;
  }
}

TEST(DomainXml, TheDevicesOfBridgedNicsAreReadBackWithTheNamesThatTheyWereGiven) {
  DomainParts parts = plain_machine();
  parts.allowed_interfaces = {"br0", "eth1"};
  parts.fragments.push_back({"devices",
                             "<interface type='user'><mac address='02:00:00:00:00:01'/></interface>"
                             "<interface type='bridge'><mac address='02:00:00:00:00:02'/><source bridge='br0'/></interface>"
                             "<interface type='direct'><mac address='02:00:00:00:00:03'/><source dev='eth1' mode='bridge'/></interface>",
                             "test"});
  const auto xml = domain_xml(parts, tcg_host());
  EXPECT_EQ(xml.find("\"direct\""), std::string::npos) << xml;  // the embedded driver crashes when such a guest ends
  EXPECT_EQ(xml.find("eth1"), std::string::npos) << xml;         // the macvtap is ours, and finished
  const auto devices = guest_devices(xml);
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_EQ(devices[0].name, guest_device_name(parts.id, 0));
  EXPECT_EQ(devices[0].mac, "02:00:00:00:00:02");
  EXPECT_FALSE(devices[0].macvtap);
  EXPECT_EQ(devices[1].name, guest_device_name(parts.id, 1));
  EXPECT_TRUE(devices[1].macvtap);
  for (const auto& device : devices) EXPECT_LE(device.name.size(), 15U);  // as long as the kernel allows
  EXPECT_THROW(guest_devices("<domain"), model::Error);
}

TEST(DomainXml, HowGuestsAreGuardedFollowsFromTheHost) {
  HostFacts daemon = tcg_host();
  daemon.embedded = false;
  EXPECT_EQ(guarding_of(tcg_host()), Guarding::device);
  EXPECT_EQ(guarding_of(daemon), Guarding::filter);
  EXPECT_EQ(guarding_of(test_host()), Guarding::none);
}

TEST(DomainXml, MoreProcessorsThanTheHostGivesAreToldWithTheMost) {
  HostFacts facts = tcg_host();
  DomainParts parts = plain_machine();
  parts.cpu_count = 300;
  EXPECT_NO_THROW(domain_xml(parts, facts)) << "a host that does not say";
  facts.most_processors = 288;
  const auto refused = [&]() -> std::string {
    try {
      domain_xml(parts, facts);
    } catch (const model::Error& error) {
      return error.problems().empty() ? error.message() : error.problems()[0].path + " " + error.problems()[0].message;
    }
    return "accepted";
  };
  EXPECT_EQ(refused(), "/cpu_count must be at most 255 on this host");
  parts.fragments.push_back({"devices", "<iommu model='intel'><driver intremap='on' eim='on'/></iommu>", "test"});
  EXPECT_EQ(refused(), "/cpu_count must be at most 288 on this host");
  parts.cpu_count = 288;
  EXPECT_EQ(refused(), "accepted");
}

TEST(DomainXml, ASocketPathThatIsTooLongIsAnErrorBeforeLibvirtCutsIt) {
  DomainParts parts = plain_machine();
  parts.displays = true;
  parts.run_directory = "/" + std::string(80, 'r');
  EXPECT_THROW(domain_xml(parts, tcg_host()), model::Error);
}

}  // namespace
}  // namespace velocity::libvirt
