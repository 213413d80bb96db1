#include "framework/storage/volumes.hpp"

#include <cerrno>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "framework/storage/bytes.hpp"
#include "framework/storage/descriptor.hpp"
#include "framework/storage/empty_qcow2.hpp"
#include "framework/storage/qcow2_header.hpp"
#include "framework/storage/workplace.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;
namespace fs = std::filesystem;

constexpr std::string_view kQuarantine = "quarantine";

void make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw system_error(errno, "mkdir " + path.string());
}

// What a former run left half-made goes.
void prepare(const fs::path& directory) {
  if (::chmod(directory.c_str(), 0700) != 0) throw system_error(errno, "chmod " + directory.string());
  std::error_code error;
  fs::remove_all(directory / kWork, error);
  make_directory(directory / kWork);
}

std::vector<model::ResourceId> volumes_in(const fs::path& directory) {
  std::vector<model::ResourceId> result;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    const auto id = model::ResourceId::parse(name);
    if (id && id->text() == name && entry->symlink_status().type() == fs::file_type::regular) result.push_back(*id);
  }
  if (error) throw system_error(error.value(), "list " + directory.string());
  return result;
}

}  // namespace

Volumes::Volumes(fs::path directory, SandboxSettings sandbox)
    : directory_(fs::absolute(std::move(directory))), qemu_img_(std::move(sandbox)) {
  std::error_code error;
  fs::create_directories(directory_.parent_path(), error);
  make_directory(directory_);
  prepare(directory_);
}

void Volumes::open_pool(const std::string& name, const fs::path& directory) {
  {
    const std::unique_lock lock(placing_);
    pools_[name] = directory;
  }
  std::error_code unknown;
  if (!fs::is_directory(directory, unknown)) throw not_mounted(directory);
  prepare(directory);
  for (const auto& id : volumes_in(directory)) place(id, name);
}

void Volumes::open_pool(const std::string& name, std::shared_ptr<RemotePool> pool) {
  const std::unique_lock lock(placing_);
  remote_pools_[name] = std::move(pool);
}

void Volumes::close_pool(const std::string& name) {
  const std::unique_lock lock(placing_);
  if (remote_pools_.erase(name) > 0) std::erase_if(elsewhere_, [&](const auto& placed) { return placed.second == name; });
  const auto pool = pools_.find(name);
  if (pool == pools_.end()) return;
  std::error_code ignored;  // what was put into quarantine keeps it
  fs::remove(pool->second / kWork, ignored);
  fs::remove(pool->second, ignored);
  std::erase_if(elsewhere_, [&](const auto& placed) { return placed.second == name; });
  pools_.erase(pool);
}

void Volumes::place(model::ResourceId id, const std::string& pool) {
  const std::unique_lock lock(placing_);
  if (pools_.contains(pool) || remote_pools_.contains(pool)) elsewhere_[id] = pool;
}

std::shared_ptr<RemotePool> Volumes::remote(model::ResourceId id) const {
  const std::shared_lock lock(placing_);
  const auto placed = elsewhere_.find(id);
  const auto pool = placed == elsewhere_.end() ? remote_pools_.end() : remote_pools_.find(placed->second);
  return pool == remote_pools_.end() ? nullptr : pool->second;
}

bool Volumes::is_remote(model::ResourceId id) const { return remote(id) != nullptr; }

bool Volumes::is_device(model::ResourceId id) const {
  const auto pool = remote(id);
  return pool && pool->of_devices();
}

fs::path Volumes::directory(model::ResourceId id) const {
  const std::shared_lock lock(placing_);
  const auto placed = elsewhere_.find(id);
  const auto pool = placed == elsewhere_.end() ? pools_.end() : pools_.find(placed->second);
  return pool == pools_.end() ? directory_ : pool->second;
}

fs::path Volumes::path(model::ResourceId id) const {
  if (const auto pool = remote(id)) return pool->path(id.text());
  return directory(id) / id.text();
}

bool Volumes::exists(model::ResourceId id) const {
  if (const auto pool = remote(id)) return pool->has(id.text());
  struct stat status{};
  return ::lstat(path(id).c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string Volumes::head(model::ResourceId id, std::size_t bytes) const {
  if (!exists(id)) return {};
  std::optional<Workplace> fetched;
  if (const auto pool = remote(id)) pool->download(id.text(), fetched.emplace(directory_, id).file(), bytes);
  const auto file = open_file(fetched ? fetched->file() : path(id), O_RDONLY);
  std::string text(bytes, '\0');
  const auto got = ::pread(file.number(), text.data(), text.size(), 0);
  if (got < 0) throw system_error(errno, "read " + path(id).string());
  text.resize(static_cast<std::size_t>(got));
  return text;
}

Reading Volumes::read(model::ResourceId id) const {
  const auto pool = remote(id);
  if (!pool) return Reading(path(id));
  const Workplace fetched(directory_, id);
  pool->download(id.text(), fetched.file(), 0);
  return Reading(fetched.file());
}

void Volumes::create(model::ResourceId id, ImageFormat format, std::int64_t virtual_size) {
  if (format == ImageFormat::iso) throw Error(ErrorCode::image_unsupported, "An empty ISO image is of no use: upload one");
  if (virtual_size <= 0 || virtual_size > kMaxVirtualSize) throw Error(ErrorCode::image_unsupported, "An image has from 1 byte to 64 TiB");
  if (exists(id)) return;
  const ImageFacts facts{format, static_cast<std::int64_t>(rounded_up(static_cast<std::uint64_t>(virtual_size), 512))};
  if (const auto pool = remote(id)) return pool->create(id.text(), format, facts.virtual_size);
  const Workplace work(directory(id), id);
  if (format == ImageFormat::raw) {
    const auto file = open_file(work.file(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (::ftruncate(file.number(), facts.virtual_size) != 0) throw system_error(errno, "ftruncate " + work.file().string());
  } else {
    write_empty_qcow2(work.file(), facts.virtual_size);
    inspect_file(work.file(), format);
  }
  publish(work.file(), facts, id);
}

// Looked at once more, for whoever forgot to.
ImageFacts Volumes::inspect_again(const fs::path& source, const ImageFacts& announced) {
  const auto facts = inspect_file(source, announced.format);
  if (facts.virtual_size != announced.virtual_size)
    throw Error(ErrorCode::image_corrupt, "The image has changed since it was looked at",
                fmt::format("{}: {} bytes, not {}", source.string(), facts.virtual_size, announced.virtual_size));
  return facts;
}

ImageFacts Volumes::launder(const fs::path& source, ImageFacts announced, model::ResourceId id, const std::function<void(int)>& progress) {
  if (exists(id)) return {announced.format, inspect_file(path(id), announced.format).virtual_size};
  const auto facts = inspect_again(source, announced);  // only what has passed is shown to qemu-img
  if (progress) progress(0);
  const Workplace work(directory(id), id);
  if (facts.format == ImageFormat::qcow2) qemu_img_.check(source, facts);
  qemu_img_.convert({source}, facts, work.path(), progress);
  // What was hostile enough to take qemu-img over is stopped here: the result is trusted no more than the upload was.
  if (inspect_file(work.file(), facts.format).virtual_size != facts.virtual_size)
    throw Error(ErrorCode::image_corrupt, "The image is of another size than it says", source.string());
  publish(work.file(), facts, id);
  if (progress) progress(1000);
  return facts;
}

ImageFacts Volumes::take_in(const fs::path& source, ImageFacts announced, model::ResourceId id, const std::function<void(int)>& progress) {
  if (announced.format == ImageFormat::qcow2 || remote(id) || exists(id)) return launder(source, announced, id, progress);
  const auto facts = inspect_again(source, announced);
  if (progress) progress(0);
  const auto file = open_file(source, O_WRONLY);
  if (::fchmod(file.number(), 0600) != 0) throw system_error(errno, "chmod " + source.string());
  if (::fsync(file.number()) != 0) throw system_error(errno, "fsync " + source.string());
  if (::rename(source.c_str(), path(id).c_str()) != 0) {
    if (errno == ENOENT) throw not_mounted(directory(id));
    if (errno == EXDEV) return launder(source, facts, id, progress);
    throw system_error(errno, "rename " + source.string());
  }
  // Only now: while it is an upload its length says how much of it has arrived.
  if (::lseek(file.number(), 0, SEEK_END) != facts.virtual_size) {
    if (::ftruncate(file.number(), facts.virtual_size) != 0) throw system_error(errno, "ftruncate " + path(id).string());
    if (::fsync(file.number()) != 0) throw system_error(errno, "fsync " + path(id).string());
  }
  sync_file(directory(id));
  if (progress) progress(1000);
  return facts;
}

void Volumes::give_back(model::ResourceId id, const fs::path& to) {
  rename_file(path(id), to);
  sync_file(to.parent_path());
}

void Volumes::publish(const fs::path& file, const ImageFacts& facts, model::ResourceId id) {
  if (const auto pool = remote(id)) {
    pool->create(id.text(), facts.format, facts.virtual_size);
    return pool->upload(id.text(), file);
  }
  if (::chmod(file.c_str(), 0600) != 0) throw system_error(errno, "chmod " + file.string());
  sync_file(file);
  rename_file(file, path(id));
  sync_file(directory(id));
}

void Volumes::remove(model::ResourceId id) {
  if (const auto pool = remote(id)) return pool->remove(id.text());
  if (::unlink(path(id).c_str()) != 0 && errno != ENOENT) throw system_error(errno, "unlink " + path(id).string());
  if (fs::exists(directory(id))) sync_file(directory(id));  // a pool that is not mounted now has nothing to lose
}

std::vector<model::ResourceId> Volumes::list() const {
  auto result = volumes_in(directory_);
  const std::shared_lock lock(placing_);
  for (const auto& [name, directory] : pools_) {
    if (std::error_code absent; !fs::is_directory(directory, absent)) continue;
    const auto more = volumes_in(directory);
    result.insert(result.end(), more.begin(), more.end());
  }
  return result;
}

void Volumes::quarantine(model::ResourceId id) {
  if (!exists(id)) return;
  const auto quarantine = directory(id) / kQuarantine;
  make_directory(quarantine);
  auto target = quarantine / id.text();
  for (int i = 1; fs::exists(fs::symlink_status(target)); ++i) target = quarantine / fmt::format("{}.{}", id.text(), i);
  rename_file(path(id), target);
  sync_file(quarantine);
  sync_file(directory(id));
}

unsigned long long Volumes::processes() const { return qemu_img_.processes(); }

}  // namespace velocity::storage
