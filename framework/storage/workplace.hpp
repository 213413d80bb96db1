// Where one volume is made before it gets its name. Included by the volumes only.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "framework/model/uuid.hpp"
#include "framework/storage/descriptor.hpp"
#include "framework/storage/qemu_img.hpp"

namespace velocity::storage {

inline constexpr const char* kWork = ".work";

// A directory in which one volume is made; gone with all that is in it at the end, whatever the end is.
class Workplace {
 public:
  Workplace(const std::filesystem::path& directory, model::ResourceId id) : path_((directory / kWork / (id.text() + ".XXXXXX")).string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw system_error(errno, "mkdtemp " + path_);
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
