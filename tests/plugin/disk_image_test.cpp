#include <atomic>
#include <thread>

#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr auto* kRid = "7b0ec6fa-5b4a-4e34-8a1c-3f8ff1f6ab1f";

class DiskImageTest : public PluginTest {
 protected:
  DiskImageTest() : registry_(load({good("disk-image")})), disk_(registry_.find_resource_type("disk-image")) {}
  void SetUp() override { ASSERT_TRUE(disk_); }

  std::string attach(const std::string& format, const Json& options = Json::object(), int index = 0, const std::string& path = "/pool/disk") const {
    const auto fragments = disk_->attach(request(format, options, index, path));
    EXPECT_EQ(fragments.size(), 1U);
    EXPECT_EQ(fragments.at(0).section, "devices");
    return fragments.at(0).xml;
  }

  std::vector<std::string> refused(const Json& options, const std::string& format = "qcow2") const {
    return problems([&] { disk_->attach(request(format, options, 0, "/pool/disk")); });
  }

  static Json request(const std::string& format, const Json& options, int index, const std::string& path) {
    return {{"rid", kRid}, {"spec", {{"size_mb", 64}, {"format", format}}}, {"path", path}, {"options", options}, {"index", index}, {"vm", {{"vmid", kRid}}},
            {"host", Json::object()}};
  }

  Registry registry_;
  const ResourceType* disk_;
};

TEST_F(DiskImageTest, ASpecIsNormalisedAndJudged) {
  EXPECT_EQ(disk_->validate({{"size_mb", 64}}), Json({{"size_mb", 64}, {"format", "qcow2"}}));
  EXPECT_EQ(disk_->validate({{"size_mb", "64"}, {"format", "raw"}}), Json({{"size_mb", 64}, {"format", "raw"}}));
  EXPECT_THAT(problems([&] { disk_->validate({{"size_mb", 0}, {"format", "vmdk"}, {"path", "/etc/shadow"}}); }),
              UnorderedElementsAre("/size_mb: must be a whole number from 1 to 67108864", "/format: must be one of qcow2, raw, iso",
                                   "/path: is not a field of this type"));
  EXPECT_THAT(problems([&] { disk_->validate(Json::object()); }), ElementsAre("/size_mb: is required"));
}

TEST_F(DiskImageTest, AFullCloneIsLikeItsSourceAndForgetsIt) {
  const Json source{{"source", {{"rid", kRid}, {"type", "disk-image"}, {"spec", {{"size_mb", 64}, {"format", "raw"}}}}}};
  EXPECT_EQ(disk_->validate({{"source", kRid}}, source), Json({{"size_mb", 64}, {"format", "raw"}}));
  EXPECT_EQ(disk_->validate({{"source", kRid}, {"linked", false}, {"size_mb", 65}, {"format", "raw"}}, source), Json({{"size_mb", 65}, {"format", "raw"}}));
  EXPECT_THAT(problems([&] { disk_->validate({{"source", kRid}, {"size_mb", 63}, {"format", "qcow2"}}, source); }),
              UnorderedElementsAre("/size_mb: must be at least 64, as its source has it", "/format: must be raw: a full clone is of its source's format"));
  const Json nic{{"source", {{"rid", kRid}, {"type", "user-nic"}, {"spec", Json::object()}}}};
  EXPECT_THAT(problems([&] { disk_->validate({{"source", kRid}}, nic); }), ElementsAre("/source: must be a disk image"));
  EXPECT_THAT(problems([&] { disk_->validate({{"size_mb", 1}, {"linked", true}}); }), ElementsAre("/linked: must be false: there is no source to be linked to"));
}

TEST_F(DiskImageTest, ALinkedCloneKeepsItsSource) {
  const Json source{{"source", {{"rid", kRid}, {"type", "disk-image"}, {"spec", {{"size_mb", 64}, {"format", "raw"}}}}}};
  EXPECT_EQ(disk_->validate({{"source", kRid}, {"linked", true}}, source), Json({{"size_mb", 64}, {"format", "qcow2"}, {"source", kRid}, {"linked", true}}));
  const Json iso{{"source", {{"rid", kRid}, {"type", "disk-image"}, {"spec", {{"size_mb", 64}, {"format", "iso"}}}}}};
  EXPECT_THAT(problems([&] { disk_->validate({{"source", kRid}, {"linked", true}}, iso); }), testing::SizeIs(1));
  EXPECT_THAT(problems([&] { disk_->validate({{"source", kRid}, {"size_mb", 65}}, iso); }), testing::SizeIs(1));
}

TEST_F(DiskImageTest, CloningAndGrowingAreTheServersWork) {
  const auto* other = "11111111-1111-4111-8111-111111111111";
  const Json source{{"source", {{"rid", other}, {"type", "disk-image"}, {"spec", {{"size_mb", 64}, {"format", "raw"}}}, {"path", "/pool/x"}}}};
  disk_->create({{"rid", kRid}, {"spec", {{"size_mb", 64}, {"format", "raw"}}}, {"resources", source}});
  disk_->create({{"rid", kRid}, {"spec", {{"size_mb", 65}, {"format", "qcow2"}, {"linked", true}, {"source", other}}}, {"resources", source}});
  disk_->alter({{"rid", kRid}, {"old", {{"size_mb", 64}, {"format", "raw"}}}, {"new", {{"size_mb", 100}, {"format", "raw"}}}});
  EXPECT_THAT(services_.asked, ElementsAre(Pair("volume.clone", Json({{"rid", kRid}, {"source", other}, {"linked", false}})),
                                           Pair("volume.clone", Json({{"rid", kRid}, {"source", other}, {"linked", true}, {"size_mb", 65}})),
                                           Pair("volume.grow", Json({{"rid", kRid}, {"size_mb", 100}}))));
  const auto refused = [&](const Json& old_spec, const Json& new_spec) {
    return problems([&] { disk_->alter({{"rid", kRid}, {"old", old_spec}, {"new", new_spec}}); });
  };
  EXPECT_THAT(refused({{"size_mb", 64}, {"format", "raw"}}, {{"size_mb", 63}, {"format", "raw"}}),
              ElementsAre("/size_mb: must be at least 64: an image grows and never shrinks"));
  EXPECT_THAT(refused({{"size_mb", 64}, {"format", "raw"}}, {{"size_mb", 64}, {"format", "qcow2"}}), testing::SizeIs(1));
  EXPECT_THAT(refused({{"size_mb", 64}, {"format", "iso"}}, {{"size_mb", 65}, {"format", "iso"}}), testing::SizeIs(1));
  EXPECT_EQ(services_.asked.size(), 3U);
}

TEST_F(DiskImageTest, CreatingAndRemovingAreTheServersVolumes) {
  disk_->create({{"rid", kRid}, {"spec", {{"size_mb", 64}, {"format", "raw"}}}});
  disk_->remove({{"rid", kRid}, {"spec", {{"size_mb", 64}, {"format", "raw"}}}});
  EXPECT_THAT(services_.asked, ElementsAre(Pair("volume.create", Json({{"rid", kRid}, {"format", "raw"}, {"size_mb", 64}})), Pair("volume.remove", Json({{"rid", kRid}}))));
}

TEST_F(DiskImageTest, AnEmptyIsoIsRefusedAndNothingIsMade) {
  EXPECT_THAT(problems([&] { disk_->create({{"rid", kRid}, {"spec", {{"size_mb", 64}, {"format", "iso"}}}}); }),
              ElementsAre("/format: must be qcow2 or raw: an iso image cannot be made empty, upload one"));
  EXPECT_TRUE(services_.asked.empty());
}

TEST_F(DiskImageTest, AFullDiskIsToldAsSuch) {
  services_.full = true;
  EXPECT_THAT(problems([&] { disk_->create({{"rid", kRid}, {"spec", {{"size_mb", 64}, {"format", "raw"}}}}); }), ElementsAre("storage.full"));
}

TEST_F(DiskImageTest, ADiskIsOnVirtioInTheOrderOfTheList) {
  EXPECT_EQ(attach("qcow2"),
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='/pool/disk'/><backingStore/>"
            "<target dev='vda' bus='virtio'/><boot order='1000'/></disk>");
  EXPECT_EQ(attach("raw", Json::object(), 27),
            "<disk type='file' device='disk'><driver name='qemu' type='raw' discard='unmap'/><source file='/pool/disk'/><backingStore/>"
            "<target dev='vdab' bus='virtio'/><boot order='1027'/></disk>");
}

TEST_F(DiskImageTest, AnIsoIsACdThatCannotBeWritten) {
  EXPECT_EQ(attach("iso", Json::object(), 1),
            "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/pool/disk'/><backingStore/>"
            "<target dev='sdb' bus='sata'/><readonly/><boot order='1001'/></disk>");
}

TEST_F(DiskImageTest, TheListMaySayMore) {
  EXPECT_EQ(attach("raw", {{"bus", "scsi"}, {"readonly", true}, {"boot", 2}}, 3),
            "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/pool/disk'/><backingStore/>"
            "<target dev='sdd' bus='scsi'/><readonly/><boot order='2'/></disk>");
  EXPECT_EQ(attach("qcow2", {{"cdrom", true}, {"bus", "usb"}}),
            "<disk type='file' device='cdrom'><driver name='qemu' type='qcow2'/><source file='/pool/disk'/><backingStore/>"
            "<target dev='sda' bus='usb'/><readonly/><boot order='1000'/></disk>");
}

TEST_F(DiskImageTest, EveryWrongOptionIsToldWithItsPath) {
  EXPECT_THAT(refused({{"bus", "isa"}, {"boot", 0}, {"readonly", "perhaps"}, {"file", "/etc/shadow"}}),
              UnorderedElementsAre("/bus: must be one of virtio, sata, usb, scsi", "/boot: must be a whole number from 1 to 999", "/readonly: must be true or false",
                                   "/file: is not known here"));
  EXPECT_THAT(refused({{"cdrom", true}, {"bus", "virtio"}, {"readonly", false}}), testing::SizeIs(2));
  EXPECT_THAT(refused({{"readonly", false}}, "iso"), testing::SizeIs(1));
}

TEST_F(DiskImageTest, APathCannotBecomeMarkup) {
  EXPECT_THAT(attach("raw", Json::object(), 0, "/a'/><source file='/etc/shadow"), testing::HasSubstr("<source file='/a&apos;/&gt;&lt;source file=&apos;/etc/shadow'/>"));
}

TEST_F(DiskImageTest, ManyThreadsMayAskAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 100; ++turn) {
        const auto size = i * 1000 + turn + 1;
        right += disk_->validate({{"size_mb", size}})["size_mb"] == size && disk_->cost({{"size_mb", size}}).at("storage_mb") == size &&
                 problems([&] { disk_->validate({{"size_mb", -size}}); }).size() == 1;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
}

TEST_F(DiskImageTest, ItsCostIsItsSize) { EXPECT_THAT(disk_->cost({{"size_mb", 64}, {"format", "raw"}}), ElementsAre(Pair("storage_mb", 64))); }

}  // namespace
}  // namespace velocity::plugin
