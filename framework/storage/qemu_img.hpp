// qemu-img's verbs, each run in the sandbox, and what it complains of made ours. Included by the volumes only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "framework/model/uuid.hpp"
#include "framework/storage/image.hpp"
#include "framework/storage/sandbox.hpp"

namespace velocity::storage {

// An image and the files that its header names, one based on the next, all in one directory. The names must have been looked at.
using Layers = std::vector<std::filesystem::path>;

// Threads: any. Nothing here decides whether a file may be shown to qemu-img: that is the caller's affair, and so is what comes of it.
// Errors: storage_full, storage_failed, image_corrupt; resource_in_use when somebody has the image open for writing.
class QemuImg {
 public:
  static constexpr const char* kVolume = "volume";  // the name of what is made in a directory

  explicit QemuImg(SandboxSettings settings) : sandbox_(std::move(settings)) {}

  void check(const std::filesystem::path& image, const ImageFacts& facts);  // that all tables of a qcow2 can be read
  // Into a whole image of the same format. progress: 0 to 999 per mille, rising; what it throws ends the work.
  void convert(const Layers& image, const ImageFacts& facts, const std::filesystem::path& directory, const std::function<void(int)>& progress);
  void resize(const Layers& image, std::int64_t virtual_size);  // qcow2, in its place

  // Internal snapshots of a qcow2, in its place.
  enum class Verb { take, apply, remove };
  void snapshot(const Layers& image, const ImageFacts& facts, Verb verb, model::Uuid name);

  unsigned long long processes() const { return sandbox_.processes(); }

 private:
  void change(const Layers& image, std::int64_t file_bytes, std::vector<std::string> arguments);
  Sandbox sandbox_;
};

// "qcow2" or "raw": how an image lies on disk.
std::string driver_of(ImageFormat format);

}  // namespace velocity::storage
