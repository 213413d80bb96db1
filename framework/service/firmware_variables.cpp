#include "framework/service/firmware_variables.hpp"

#include <fmt/format.h>

#include <system_error>

#include "framework/model/error.hpp"
#include "framework/storage/descriptor.hpp"

namespace velocity::service {
namespace {

namespace fs = std::filesystem;

fs::path half_of(fs::path file) { return file.replace_extension(".new"); }

[[noreturn]] void failed(const fs::path& file, const std::error_code& why) {
  throw model::Error(model::ErrorCode::storage_failed, "The firmware's variables could not be kept", fmt::format("{}: {}", file.string(), why.message()));
}

}  // namespace

void copy_variables(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (!fs::exists(from, error)) return remove_variables(to);
  const fs::path half = half_of(to);
  fs::copy_file(from, half, fs::copy_options::overwrite_existing, error);
  if (error) failed(half, error);
  storage::sync_file(half);
  storage::rename_file(half, to);
  storage::sync_file(to.parent_path());
}

void remove_variables(const fs::path& file) {
  std::error_code error;
  for (const auto& each : {half_of(file), file}) {
    fs::remove(each, error);
    if (error) failed(each, error);
  }
  storage::sync_file(file.parent_path());
}

}  // namespace velocity::service
