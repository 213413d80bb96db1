#include "framework/libvirt/png.hpp"

#include <png.h>

#include <cctype>
#include <charconv>
#include <cstdint>

#include "framework/model/error.hpp"

namespace velocity::libvirt {

namespace {

constexpr std::uint32_t kMaxSide = 16'384;
constexpr std::size_t kColours = 3;

[[noreturn]] void refuse(const char* why) {
  throw model::Error(model::ErrorCode::hypervisor_failed, "The screen could not be read", why);
}

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// The next number of the header, after white space and comments.
std::uint32_t take_number(std::string_view& text) {
  while (!text.empty() && (is_space(text.front()) || text.front() == '#')) {
    const auto line_end = text.front() == '#' ? text.find('\n') : 0;
    if (line_end == std::string_view::npos) refuse("the pixmap's header ends early");
    text.remove_prefix(line_end + 1);
  }
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) refuse("the pixmap's header has no number where one must be");
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::string png_of(std::string_view pixmap) {
  if (pixmap.size() > kMaxPixmapBytes) refuse("the screen is too large");
  if (!pixmap.starts_with("P6")) refuse("it is no portable pixmap");
  pixmap.remove_prefix(2);
  const std::uint32_t width = take_number(pixmap);
  const std::uint32_t height = take_number(pixmap);
  if (width == 0 || height == 0 || width > kMaxSide || height > kMaxSide) refuse("the pixmap's size makes no sense");
  if (take_number(pixmap) != 255) refuse("the pixmap has not 8 bits a colour");
  if (pixmap.empty() || !is_space(pixmap.front())) refuse("the pixmap's header ends early");
  pixmap.remove_prefix(1);
  if (pixmap.size() < kColours * width * height) refuse("the pixmap is cut short");

  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = PNG_FORMAT_RGB;
  std::string png;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  png.resize(size);
  const bool written = png_image_write_to_memory(&image, png.data(), &size, 0, pixmap.data(), 0, nullptr) != 0;
  png_image_free(&image);
  if (!written) refuse(image.message);
  png.resize(size);
  png.shrink_to_fit();
  return png;
}

}  // namespace velocity::libvirt
