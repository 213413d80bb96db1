#include "framework/libvirt/shapes.hpp"

#include <gtest/gtest.h>

#include "tests/libvirt/example_machines.hpp"
#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

std::string shape(const DomainParts& parts) { return shape_of(domain_xml(parts, tcg_host())); }

TEST(Shapes, MachinesOfOneKindHaveOne) {
  DomainParts other = efi_machine();
  other.id = model::MachineId::random();
  other.title = "another <title>";
  other.cpu_count = 7;
  other.memory_mb = 512;
  other.nvram = "/elsewhere/other.fd";
  other.console_log = "/elsewhere/other.log";
  other.run_directory = "/elsewhere";
  EXPECT_EQ(shape(other), shape(efi_machine()));
}

TEST(Shapes, WhatASchemaCouldObjectToMakesAnother) {
  const std::string plain = shape(plain_machine());
  for (const char* device : {"<input type='tablet' bus='usb'/>", "<input type='tablet' bus='virtio'/>", "<input type='keyboard' bus='usb'/>"}) {
    DomainParts other = plain_machine();
    other.fragments.push_back({"devices", device, "test"});
    EXPECT_NE(shape(other), plain) << device;
    DomainParts same = other;
    same.id = model::MachineId::random();
    EXPECT_EQ(shape(other), shape(same)) << device;
  }
  EXPECT_NE(shape_of("<domain><os><boot dev='hd'/></os></domain>"), shape_of("<domain><os><boot dev='cdrom'/></os></domain>"));
  EXPECT_NE(shape_of("<domain><a>text</a></domain>"), shape_of("<domain><a>other</a></domain>"));
}

TEST(Shapes, PathsAreAlikeOnlyWherePathsStand) {
  EXPECT_EQ(shape_of("<domain><source file='/a'/><os><loader>/a</loader></os></domain>"), shape_of("<domain><source file='/b'/><os><loader>/b</loader></os></domain>"));
  EXPECT_NE(shape_of("<domain><input bus='/a'/></domain>"), shape_of("<domain><input bus='/b'/></domain>"));
  EXPECT_NE(shape_of("<domain><boot>/a</boot></domain>"), shape_of("<domain><boot>/b</boot></domain>"));
  EXPECT_NE(shape_of("<domain><source file='a'/></domain>"), shape_of("<domain><source file='/a'/></domain>"));
}

TEST(Shapes, AreForgottenWhenTheHypervisorMayBeAnother) {
  ValidatedShapes shapes;
  shapes.note("a");
  shapes.clear();
  EXPECT_FALSE(shapes.knows("a"));
}

TEST(Shapes, WhatIsNoXmlHasNoneAndIsNeverKnown) {
  EXPECT_EQ(shape_of("<domain"), "");
  ValidatedShapes shapes;
  shapes.note("");
  EXPECT_FALSE(shapes.knows(""));
}

TEST(Shapes, TheirNumberIsBounded) {
  ValidatedShapes shapes;
  for (std::size_t i = 0; i <= ValidatedShapes::kMost; ++i) shapes.note(std::to_string(i));
  EXPECT_FALSE(shapes.knows("0"));
  EXPECT_TRUE(shapes.knows(std::to_string(ValidatedShapes::kMost)));
}

}  // namespace
}  // namespace velocity::libvirt
