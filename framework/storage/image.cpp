#include "framework/storage/image.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "framework/storage/descriptor.hpp"
#include "framework/storage/foreign_format.hpp"
#include "framework/storage/iso9660.hpp"
#include "framework/storage/qcow2_header.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;

constexpr std::array<std::string_view, 3> kNames{"raw", "qcow2", "iso"};
constexpr std::uint64_t kSector = 512;

[[noreturn]] void refuse(const ForeignFormat& format, ImageFormat announced) {
  if (format.encrypted)
    throw Error(ErrorCode::image_encrypted,
                fmt::format("The image is {}, and its key is not known here. Decrypt it before uploading", format.title));
  const auto advice = format.driver.empty()
                          ? std::string("Convert it to raw or qcow2 first")
                          : fmt::format("Convert it with: qemu-img convert -f {} -O qcow2 IMAGE NEW-IMAGE", format.driver);
  throw Error(ErrorCode::image_format_mismatch, fmt::format("The image is {}, not {}. {}", format.title, name(announced), advice));
}

}  // namespace

std::optional<ImageFormat> find_format(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<ImageFormat>(found - kNames.begin());
}

std::string_view name(ImageFormat format) { return kNames.at(static_cast<std::size_t>(format)); }

ImageInspector::ImageInspector(ImageFormat announced, std::int64_t length) : announced_(announced), length_(length) {
  if (length <= 0) throw Error(ErrorCode::image_truncated, "The image is empty");
  if (length > kMaxVirtualSize) throw Error(ErrorCode::image_unsupported, "The image is larger than 64 TiB");
}

void ImageInspector::feed(std::span<const std::byte> bytes) {
  if (std::cmp_greater(bytes.size(), length_ - seen_))
    throw Error(ErrorCode::image_corrupt, fmt::format("The image is longer than the {} bytes that were announced", length_));
  const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(length_, kHeaderBytes));
  const auto taken = std::min(bytes.size(), wanted - header_.size());
  header_.insert(header_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  keep_tail(bytes);
  seen_ += static_cast<std::int64_t>(bytes.size());
  if (!decided_ && header_.size() == wanted) decide();
}

// The last bytes of the image, wherever the chunks are cut.
void ImageInspector::keep_tail(std::span<const std::byte> bytes) {
  const auto start = std::max<std::int64_t>(0, length_ - static_cast<std::int64_t>(kTailBytes));
  const auto skipped = static_cast<std::size_t>(std::max<std::int64_t>(0, start - seen_));
  if (skipped < bytes.size()) tail_.insert(tail_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(skipped), bytes.end());
}

// Waits for all of the header that is kept, so that the verdict does not depend on how the bytes are cut into chunks.
void ImageInspector::decide() {
  const Bytes header(header_);
  if (const auto foreign = find_foreign_format(header, {})) refuse(*foreign, announced_);
  facts_.format = announced_;
  facts_.virtual_size = static_cast<std::int64_t>(rounded_up(static_cast<std::uint64_t>(length_), kSector));
  if (announced_ == ImageFormat::qcow2) {
    if (!has_qcow2_magic(header))
      throw Error(ErrorCode::image_format_mismatch, "The image is not a qcow2 image. If it is a plain copy of a disk, upload it as raw");
    facts_.virtual_size = read_qcow2_header(header, length_);
  } else if (has_qcow2_magic(header)) {
    throw Error(ErrorCode::image_format_mismatch, fmt::format("The image is qcow2, not {}. Upload it as qcow2", name(announced_)));
  } else if (announced_ == ImageFormat::iso) {
    check_iso9660(header, length_);
  }
  decided_ = true;
}

ImageFacts ImageInspector::finish() {
  if (seen_ < length_)
    throw Error(ErrorCode::image_truncated, fmt::format("The image is cut off: {} of {} bytes have arrived", seen_, length_));
  // Only now is the end known, and with it a footer. A qcow2 image may end in any guest's data.
  if (announced_ != ImageFormat::qcow2)
    if (const auto foreign = find_foreign_format(header_, tail_)) refuse(*foreign, announced_);
  return facts_;
}

void ImageInspector::skip_to_tail() {
  if (decided_) seen_ = std::max(seen_, length_ - static_cast<std::int64_t>(kTailBytes));
}

ImageFacts inspect_file(const std::filesystem::path& path, ImageFormat announced) {
  const auto file = open_file(path, O_RDONLY | O_NONBLOCK);
  struct stat status{};
  if (::fstat(file.number(), &status) != 0) throw system_error(errno, "fstat " + path.string());
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
    throw Error(ErrorCode::image_corrupt, "The image is not a plain file", path.string());
  ImageInspector inspector(announced, status.st_size);
  std::vector<std::byte> buffer(ImageInspector::kHeaderBytes);
  while (inspector.seen() < status.st_size) {
    const auto got = ::pread(file.number(), buffer.data(), buffer.size(), inspector.seen());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "read " + path.string());
    if (got == 0) break;  // it has become shorter: finish() says so
    inspector.feed(std::span(buffer).first(static_cast<std::size_t>(std::min<std::int64_t>(got, status.st_size - inspector.seen()))));
    inspector.skip_to_tail();
  }
  return inspector.finish();
}

}  // namespace velocity::storage
