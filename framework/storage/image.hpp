// What an image file says of itself, read by our own bounded code while the bytes stream in. Included by the upload service
// and the volumes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/model/error.hpp"

namespace velocity::storage {

enum class ImageFormat { raw, qcow2, iso };
std::optional<ImageFormat> find_format(std::string_view name);
std::string_view name(ImageFormat format);

struct ImageFacts {
  ImageFormat format = ImageFormat::raw;
  std::int64_t virtual_size = 0;  // bytes, as a guest sees it
};

// Fed with an image's bytes from the first on; decides as soon as the header is there, so that a hostile upload is cut early.
// Keeps at most kHeaderBytes and a footer, whatever the image's size. Not thread-safe; one per upload.
// Throws Error(image_format_mismatch | image_backing_file | image_data_file | image_encrypted | image_unsupported | image_corrupt |
// image_truncated), always the same one however the bytes are cut into chunks.
// qcow2: docs/interop/qcow2.txt of QEMU. iso: ECMA-119. A "raw" image with the magic of another image format is refused.
class ImageInspector {
 public:
  static constexpr std::size_t kHeaderBytes = 128 * 1024;

  ImageInspector(ImageFormat announced, std::int64_t length);
  void feed(std::span<const std::byte> bytes);
  ImageFacts finish();  // after the last byte

  std::int64_t seen() const { return seen_; }  // bytes so far
  void skip_to_tail();                         // for a reader that can seek: once decided, only the last bytes are wanted

 private:
  void decide();
  void keep_tail(std::span<const std::byte> bytes);
  ImageFormat announced_;
  std::int64_t length_;
  std::int64_t seen_ = 0;
  std::vector<std::byte> header_;
  std::vector<std::byte> tail_;  // for footers: at most 512 bytes
  bool decided_ = false;
  ImageFacts facts_;
};

// The same judgement over a file that is there, reading no more than the header and the end. Throws Error(image_* | storage_failed);
// what is not a plain file with one name is image_corrupt.
ImageFacts inspect_file(const std::filesystem::path& path, ImageFormat announced);

}  // namespace velocity::storage
