// The directory in which one server keeps everything, and the lock that makes it the only one there. Included by the daemon.
#pragma once

#include <filesystem>

#include "framework/process/descriptor.hpp"

namespace velocity::store {

// Makes what is missing of the layout (docs/architecture.md), 0700, and holds the lock for life.
// Throws Error(storage_failed) when another server holds it or the directory cannot be used, saying which and what to do.
class StateDirectory {
 public:
  explicit StateDirectory(const std::filesystem::path& directory);

  std::filesystem::path database() const { return directory_ / "velocity.db"; }
  std::filesystem::path pool() const { return directory_ / "pools" / "default"; }
  std::filesystem::path incoming() const { return directory_ / "incoming"; }
  std::filesystem::path nvram() const { return directory_ / "nvram"; }
  std::filesystem::path machines() const { return directory_ / "machines"; }
  std::filesystem::path libvirt() const { return directory_ / "libvirt"; }
  std::filesystem::path run() const { return directory_ / "run"; }
  std::filesystem::path log() const { return directory_ / "log"; }
  std::filesystem::path console_logs() const { return directory_ / "log" / "console"; }
  std::filesystem::path cache() const { return directory_ / "cache"; }
  const std::filesystem::path& path() const { return directory_; }

 private:
  std::filesystem::path directory_;  // absolute
  process::Descriptor lock_;
};

}  // namespace velocity::store
