#include "framework/storage/seed_image.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "framework/model/error.hpp"
#include "framework/storage/descriptor.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;

using Archive = std::unique_ptr<archive, decltype(&archive_write_free)>;
using Entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

void require(const Archive& image, int result) {
  if (result == ARCHIVE_OK) return;
  const char* why = archive_error_string(image.get());
  throw Error(ErrorCode::storage_failed, "An image for the machine cannot be made",
              fmt::format("libarchive: {}", why ? why : "no reason given"));
}

la_ssize_t append(archive*, void* context, const void* bytes, std::size_t size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

void add(const Archive& image, const std::string& name, const std::string& content) {
  const Entry entry(archive_entry_new(), &archive_entry_free);
  archive_entry_set_pathname_utf8(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0400);
  archive_entry_set_mtime(entry.get(), 0, 0);
  require(image, archive_write_header(image.get(), entry.get()));
  const auto written = archive_write_data(image.get(), content.data(), content.size());
  if (written != static_cast<la_ssize_t>(content.size())) require(image, ARCHIVE_FATAL);
}

}  // namespace

std::string seed_image(const std::string& label, const std::map<std::string, std::string>& entries) {
  std::string bytes;
  const Archive image(archive_write_new(), &archive_write_free);
  require(image, archive_write_set_format_iso9660(image.get()));
  require(image, archive_write_set_format_option(image.get(), "iso9660", "volume-id", label.c_str()));
  require(image, archive_write_open(image.get(), &bytes, nullptr, &append, nullptr));
  for (const auto& [name, content] : entries) add(image, name, content);
  require(image, archive_write_close(image.get()));
  return bytes;
}

void write_private_file(const std::filesystem::path& file, std::string_view content) {
  const std::filesystem::path fresh = file.string() + ".new";
  std::error_code absent;
  std::filesystem::remove(fresh, absent);  // left by a crash
  {
    const auto out = open_file(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600);
    while (!content.empty()) {
      const auto written = ::write(out.number(), content.data(), content.size());
      if (written < 0 && errno != EINTR) throw system_error(errno, "write " + fresh.string());
      if (written > 0) content.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(out.number()) != 0) throw system_error(errno, "fsync " + fresh.string());
  }
  rename_file(fresh, file);
}

}  // namespace velocity::storage
