// Where one volume is made before it gets its name. Included by the volumes only.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "framework/model/error.hpp"
#include "framework/model/uuid.hpp"
#include "framework/storage/descriptor.hpp"
#include "framework/storage/qemu_img.hpp"

namespace velocity::storage {

inline constexpr const char* kWork = ".work";

// A pool's directory is never made again: that would be on the file system that the pool's own is mounted over.
inline model::Error not_mounted(const std::filesystem::path& directory) {
  return {model::ErrorCode::storage_failed, "The storage pool's directory is not there: the file system that it lies on may not be mounted", directory.string()};
}

// A directory in which one volume is made; gone with all that is in it at the end, whatever the end is.
class Workplace {
 public:
  Workplace(const std::filesystem::path& directory, model::ResourceId id) : path_((directory / kWork / (id.text() + ".XXXXXX")).string()) {
    if (::mkdtemp(path_.data()) != nullptr) return;
    if (errno == ENOENT) throw not_mounted(directory);
    throw system_error(errno, "mkdtemp " + path_);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace() {
    std::error_code ignored;  // what stays is swept at the next start
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path path() const { return path_; }
  std::filesystem::path file() const { return path() / QemuImg::kVolume; }

 private:
  std::string path_;
};

}  // namespace velocity::storage
