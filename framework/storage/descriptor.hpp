// An open file, closed by its owner's end, and the system calls of this room with their errors made ours. Included by this room only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include <unistd.h>

#include "framework/model/error.hpp"

namespace velocity::storage {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }

  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_ = -1;
};

// The error of a failed system call: storage_full where room or a limit of size is the cause, else storage_failed.
model::Error system_error(int number, const std::string& doing);

// All of these throw system_error(); none follows a symbolic link at the path's end, and what they open is closed on exec.
Descriptor open_file(const std::filesystem::path& path, int flags, unsigned mode = 0);
void sync_file(const std::filesystem::path& path);  // a directory too
void rename_file(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace velocity::storage
