#include "framework/service/uploads.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>

#include "framework/model/field_reader.hpp"
#include "framework/service/access.hpp"
#include "framework/service/resources.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

constexpr std::int64_t kMebibyte = 1 << 20;
constexpr std::int64_t kRoomToLeave = 64 * kMebibyte;  // for the database and the logs
constexpr std::size_t kPiece = 64 << 10;               // one that is all zeros is not written
constexpr std::int64_t kUntold = 16 * kMebibyte;       // of zeros that have arrived and that the file's length does not tell of
constexpr std::string_view kMark = ".counted";
constexpr char kResourceType[] = "disk-image";         // what every upload becomes

Error not_found(model::UploadId id) { return Error(ErrorCode::upload_not_found, fmt::format("There is no upload {} of yours", id.text())); }

bool is_zeros(std::span<const std::byte> bytes) { return bytes.front() == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0; }

[[noreturn]] void fail_write(int error) {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    throw Error(ErrorCode::storage_full, "The disk is full. What has arrived is kept: free some space and resume", std::strerror(error));
  throw Error(ErrorCode::storage_failed, "The upload cannot be written", std::strerror(error));
}

void require_room(const std::filesystem::path& directory, std::int64_t length) {
  std::error_code failed;
  const auto space = std::filesystem::space(directory, failed);
  if (failed) throw Error(ErrorCode::storage_failed, "The disk cannot be asked for its space", failed.message());
  if (static_cast<std::int64_t>(space.available) < length + kRoomToLeave)
    throw Error(ErrorCode::storage_full, fmt::format("The upload has {} MiB, the disk has room for {} MiB", (length + kMebibyte - 1) / kMebibyte,
                                                     std::max<std::int64_t>(0, static_cast<std::int64_t>(space.available) - kRoomToLeave) / kMebibyte));
}

void write_whole(const std::filesystem::path& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int error = errno;
  if (file >= 0) ::close(file);
  if (!written) fail_write(error);
}

void sync_directory(const std::filesystem::path& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  ::fsync(directory);
  ::close(directory);
}

// Only a verdict on the image itself ends an upload; whatever else fails can be mended and the upload resumed.
bool condemns_image(ErrorCode code) {
  constexpr ErrorCode kVerdicts[] = {ErrorCode::image_format_mismatch, ErrorCode::image_backing_file, ErrorCode::image_data_file, ErrorCode::image_encrypted,
                                     ErrorCode::image_unsupported,     ErrorCode::image_corrupt,      ErrorCode::image_truncated};
  return std::find(std::begin(kVerdicts), std::end(kVerdicts), code) != std::end(kVerdicts);
}

void check_request(const UploadRequest& request) {
  std::vector<model::Problem> problems;
  if (const auto fault = model::name_fault(request.label)) problems.push_back({"/label", *fault});
  if (!storage::find_format(request.format)) problems.push_back({"/format", "must be raw, qcow2 or iso"});
  if (request.length < 1) problems.push_back({"/length", "must be at least one byte"});
  if (!problems.empty()) throw Error(std::move(problems));
}

storage::ImageFormat format_of(const model::Upload& upload) { return storage::find_format(upload.format).value(); }

}  // namespace

Uploads::Uploads(Inventory& inventory, const plugin::Registry& registry, storage::Volumes& volumes, std::filesystem::path incoming)
    : inventory_(inventory), registry_(registry), volumes_(volumes), incoming_(std::move(incoming)) {}

std::filesystem::path Uploads::path(model::UploadId id) const { return incoming_ / id.text(); }

std::filesystem::path Uploads::mark(model::UploadId id) const { return incoming_ / (id.text() + std::string(kMark)); }

std::int64_t Uploads::arrived(model::UploadId id) const {
  const auto size = size_on_disk(id);
  std::ifstream file(mark(id));
  std::int64_t counted = 0;
  return file >> counted ? std::clamp<std::int64_t>(counted, 0, size) : size;
}

void Uploads::take_back(model::UploadId id) const {
  if (::access(mark(id).c_str(), F_OK) != 0) return;
  if (::truncate(path(id).c_str(), arrived(id)) != 0 && errno != ENOENT) fail_write(errno);
  ::unlink(mark(id).c_str());
  sync_directory(incoming_);
}

model::Upload Uploads::find(const Caller& caller, model::UploadId id) const {
  const auto picture = inventory_.picture();
  const auto upload = picture->uploads.find(id);
  if (!upload || (upload->user != caller.uid() && !caller.is_root())) throw not_found(id);
  return *upload;
}

std::int64_t Uploads::still_to_come() const {
  std::int64_t bytes = 0;
  inventory_.picture()->uploads.visit_all([&](const auto& id, const auto& upload) {
    std::error_code absent;
    const auto here = std::filesystem::file_size(path(id), absent);
    bytes += upload->length - (absent ? 0 : static_cast<std::int64_t>(here));
  });
  return bytes;
}

std::int64_t Uploads::size_on_disk(model::UploadId id) const {
  struct stat status{};
  if (::stat(path(id).c_str(), &status) != 0) throw not_found(id);
  return status.st_size;
}

model::Upload Uploads::create(const Caller& caller, const UploadRequest& request) {
  const model::Upload upload{model::UploadId::random(), caller.uid(),   request.group, request.label, request.format, request.length,
                             static_cast<std::int64_t>(std::time(nullptr)), model::ResourceId::random()};
  const auto check = [&](const Picture& picture) {
    Access(picture, caller).own_group(request.group);
    require_free_label(picture, request.group, request.label);
  };
  check(*inventory_.picture());
  check_request(request);
  if (!registry_.find_resource_type(kResourceType))
    throw Error(ErrorCode::type_unavailable, "The plugin for disk images is not installed, so nothing can be uploaded");
  require_room(incoming_, request.length + still_to_come());
  const int file = ::open(path(upload.id).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) fail_write(errno);
  ::close(file);
  try {
    inventory_.change([&](Change& change) {
      check(change.picture());
      change.put(upload);
    });
  } catch (...) {
    ::unlink(path(upload.id).c_str());
    throw;
  }
  return upload;
}

UploadStatus Uploads::status(const Caller& caller, model::UploadId id) const {
  auto upload = find(caller, id);
  const auto offset = arrived(id);
  struct stat status{};
  if (::stat(path(id).c_str(), &status) != 0) throw not_found(id);
  return {std::move(upload), offset, status.st_mtim.tv_sec + kPatience.count()};
}

std::unique_ptr<Uploads::Writer> Uploads::open(const Caller& caller, model::UploadId id, std::int64_t offset, Mode mode) {
  auto upload = find(caller, id);
  Access(*inventory_.picture(), caller).own_group(upload.group);  // who has left the group goes no further
  return std::make_unique<Writer>(*this, hold(std::move(upload)), offset, mode);
}

Uploads::Hold Uploads::hold(model::Upload upload) {
  const std::lock_guard lock(mutex_);
  if (!held_.insert(upload.id).second) throw Error(ErrorCode::upload_busy, "Another request is writing to this upload");
  return Hold(*this, std::move(upload));
}

Uploads::Hold::~Hold() {
  if (!uploads_) return;
  const std::lock_guard lock(uploads_->mutex_);
  uploads_->held_.erase(upload_.id);
}

void Uploads::remove(const Caller& caller, model::UploadId id) {
  discard(hold(find(caller, id)).upload());
}

void Uploads::forget(const Caller& caller, model::UploadId id) noexcept {
  try {
    remove(caller, id);
  } catch (const std::exception& error) {
    spdlog::debug("the upload {} is left to expire: {}", id.text(), error.what());
  }
}

model::ResourceId Uploads::finish(const model::Upload& upload, const std::function<void(int)>& progress) {
  const auto announced = storage::inspect_file(path(upload.id), format_of(upload));
  const auto* type = registry_.find_resource_type(kResourceType);
  if (!type) throw Error(ErrorCode::type_unavailable, "The plugin for disk images is not installed");
  try {
    list(upload, *type, volumes_.take_in(path(upload.id), announced, upload.resource, progress));
  } catch (...) {
    undo(upload);
    throw;
  }
  ::unlink(path(upload.id).c_str());  // of a qcow2 image
  return upload.resource;
}

void Uploads::list(const model::Upload& upload, const plugin::ResourceType& type, const storage::ImageFacts& facts) {
  model::Resource resource;
  resource.id = upload.resource;
  resource.kind = type.kind();
  resource.type = kResourceType;
  resource.label = upload.label;
  resource.group = upload.group;
  resource.spec = type.validate({{"size_mb", (facts.virtual_size + kMebibyte - 1) / kMebibyte}, {"format", upload.format}});
  resource.cost = model::amounts_of(type.cost(resource.spec));
  resource.created = static_cast<std::int64_t>(std::time(nullptr));
  inventory_.change([&](Change& change) {
    if (!change.picture().uploads.find(upload.id)) throw not_found(upload.id);
    require_free_label(change.picture(), upload.group, upload.label, upload.id);
    change.erase(upload.id);  // first: what it has taken of the quota becomes the disk's
    change.put(resource);
  });
}

void Uploads::undo(const model::Upload& upload) const noexcept {
  try {
    const auto file = path(upload.id);
    if (!volumes_.exists(upload.resource)) return;
    const bool moved = !std::filesystem::exists(file);
    if (!moved || !inventory_.picture()->uploads.find(upload.id)) return volumes_.remove(upload.resource);
    if (::truncate(volumes_.path(upload.resource).c_str(), upload.length) != 0) fail_write(errno);  // it has whole sectors, an upload its own length
    volumes_.give_back(upload.resource, file);
  } catch (const std::exception& error) {
    spdlog::warn("what had become of the upload {} is undone at the next start: {}", upload.id.text(), error.what());
  }
}

void Uploads::discard(const model::Upload& upload) {
  inventory_.change([&](Change& change) { change.erase(upload.id); });
  ::unlink(path(upload.id).c_str());
  ::unlink(mark(upload.id).c_str());
}

void Uploads::sweep() {
  const auto picture = inventory_.picture();
  picture->uploads.visit_all([&](const auto& id, const auto& upload) {
    if (!std::filesystem::exists(path(id))) undo(*upload);  // it had become a volume that was not listed yet
    take_back(id);
  });
  std::vector<std::filesystem::path> stray;
  for (const auto& entry : std::filesystem::directory_iterator(incoming_)) {
    const auto id = model::UploadId::parse(entry.path().filename().string());
    if (!id || !picture->uploads.find(*id)) stray.push_back(entry.path());
  }
  for (const auto& path : stray) std::filesystem::remove_all(path);
  picture->uploads.visit_all([&](const auto& id, const auto& upload) {
    if (!std::filesystem::exists(path(id))) discard(*upload);
  });
}

void Uploads::expire() {
  std::vector<model::Upload> idle;
  inventory_.picture()->uploads.visit_all([&](const auto& id, const auto& upload) {
    std::error_code absent;
    const auto last = std::filesystem::last_write_time(path(id), absent);
    if (absent || std::filesystem::file_time_type::clock::now() - last > kPatience) idle.push_back(*upload);
  });
  for (const auto& upload : idle) {
    try {
      discard(hold(upload).upload());
      spdlog::info("the upload {} was idle for a day and is given up", upload.id.text());
    } catch (const Error& error) {
      if (error.code() != ErrorCode::upload_busy) throw;
    }
  }
}

void Uploads::finish_complete(const std::function<void(int)>& progress) {
  std::vector<model::Upload> uploads;
  inventory_.picture()->uploads.visit_all([&](const auto&, const auto& upload) { uploads.push_back(*upload); });
  for (const auto& upload : uploads) {
    try {
      if (size_on_disk(upload.id) != upload.length) continue;
      Writer(*this, hold(upload), upload.length, Mode::kept).finish(progress);
    } catch (const std::exception& error) {
      spdlog::warn("the upload {} cannot be finished: {}", upload.id.text(), error.what());
    }
  }
}

Uploads::Writer::Writer(Uploads& uploads, Hold hold, std::int64_t offset, Mode mode)
    : uploads_(uploads), hold_(std::move(hold)), offset_(offset), in_file_(offset), provisional_(mode == Mode::provisional) {
  uploads_.take_back(upload().id);  // whoever held it before may have left something
  const auto here = uploads_.size_on_disk(upload().id);
  if (here != offset)
    throw Error(ErrorCode::upload_offset_mismatch, fmt::format("The upload stands at byte {}, not at {}", here, offset)).with("offset", std::to_string(here));
  // Bytes whose checksum is still to be seen are not judged: they may have suffered on their way.
  if (offset == 0 && !provisional_) inspector_.emplace(format_of(upload()), length());
  file_ = ::open(uploads_.path(upload().id).c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file_ < 0) fail_write(errno);
  if (!provisional_) return;
  try {
    write_whole(uploads_.mark(upload().id), std::to_string(offset));
  } catch (...) {
    ::close(file_);
    throw;
  }
  sync_directory(uploads_.incoming_);
}

Uploads::Writer::~Writer() {
  try {
    if (provisional_) uploads_.take_back(upload().id);
    else lengthen();
  } catch (const Error& error) {
    spdlog::warn("the file of the upload {} has not the length that it should: {}", upload().id.text(), error.detail());
  }
  if (file_ >= 0) ::close(file_);
}

void Uploads::Writer::keep() {
  lengthen();
  if (!provisional_) return;
  if (::fsync(file_) != 0) fail_write(errno);
  if (::unlink(uploads_.mark(upload().id).c_str()) != 0) fail_write(errno);
  sync_directory(uploads_.incoming_);
  provisional_ = false;
}

void Uploads::Writer::append(std::span<const std::byte> bytes) {
  if (static_cast<std::int64_t>(bytes.size()) > length() - offset_)
    throw Error(ErrorCode::request_too_large, fmt::format("The upload was announced with {} bytes; more than that came", length()));
  try {
    // Only an early refusal: what counts is the inspection of the whole file at the end.
    if (inspector_) inspector_->feed(bytes);
  } catch (const Error&) {
    uploads_.discard(upload());
    throw;
  }
  std::size_t run = 0;  // what begins the bytes and is to be written
  while (run < bytes.size()) {
    const auto to_the_next = kPiece - (static_cast<std::size_t>(offset_) + run) % kPiece;
    const auto piece = bytes.subspan(run, std::min(bytes.size() - run, to_the_next));
    run += piece.size();
    if (!is_zeros(piece)) continue;
    write(bytes.first(run - piece.size()));
    offset_ += static_cast<std::int64_t>(piece.size());
    bytes = bytes.subspan(run);
    run = 0;
  }
  write(bytes);
  if (offset_ - in_file_ >= kUntold) lengthen();
}

void Uploads::Writer::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto written = ::pwrite(file_, bytes.data(), bytes.size(), offset_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_write(errno);
    offset_ += written;
    in_file_ = offset_;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

// The file's length says how much has arrived. It is written to and not stretched: a file system puts what is written on the disk in its order, and
// after a loss of power no length is found there for which the bytes before are missing.
void Uploads::Writer::lengthen() {
  if (in_file_ == offset_) return;
  constexpr std::byte kZero{0};
  --offset_;
  write({&kZero, 1});
}

model::ResourceId Uploads::Writer::finish(const std::function<void(int)>& progress) {
  try {
    keep();
    return uploads_.finish(upload(), progress);
  } catch (const Error& error) {
    if (condemns_image(error.code())) uploads_.discard(upload());
    throw;
  }
}

}  // namespace velocity::service
