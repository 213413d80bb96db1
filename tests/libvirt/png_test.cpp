#include "framework/libvirt/png.hpp"

#include <gtest/gtest.h>
#include <png.h>

#include "tests/libvirt/fixtures.hpp"

namespace velocity::libvirt {
namespace {

using model::ErrorCode;

TEST(Png, HasEveryPixelOfThePixmap) {
  const std::string pixels = "abcdefghijklmnopqr";  // 3 × 2
  const std::string png = png_of("P6\n# QEMU\n3 2\n255\n" + pixels);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&image, png.data(), png.size()), 0) << image.message;
  EXPECT_EQ(image.width, 3U);
  EXPECT_EQ(image.height, 2U);
  image.format = PNG_FORMAT_RGB;
  std::string read(PNG_IMAGE_SIZE(image), '\0');
  ASSERT_NE(png_image_finish_read(&image, nullptr, read.data(), 0, nullptr), 0) << image.message;
  EXPECT_EQ(read, pixels);
}

TEST(Png, WhatIsNoWholePixmapIsRefused) {
  for (const std::string pixmap : {"", "P6", "P5\n1 1\n255\nabc", "P6\n1 1\n255\nab", "P6\n0 1\n255\n", "P6\n1 1\n65535\nabcdef", "P6\n-1 1\n255\nabc",
                                   "P6\n4294967297 1\n255\nabc", "P6\n16384 16384\n255\nabc", "P6\n# a comment without an end", "P6\nx", "P6\n1 1\n255"})
    EXPECT_EQ(code_of([&] { png_of(pixmap); }), ErrorCode::hypervisor_failed) << pixmap;
  EXPECT_EQ(code_of([] { png_of(std::string(kMaxPixmapBytes + 1, 'P')); }), ErrorCode::hypervisor_failed);
}

}  // namespace
}  // namespace velocity::libvirt
