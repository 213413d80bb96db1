#include "framework/storage/volumes.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "framework/storage/bytes.hpp"
#include "framework/storage/descriptor.hpp"
#include "framework/storage/qcow2_header.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;
namespace fs = std::filesystem;

constexpr std::string_view kWork = ".work";
constexpr std::string_view kQuarantine = "quarantine";
constexpr std::string_view kFileInside = "/out/volume";

void make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw system_error(errno, "mkdir " + path.string());
}

// A directory in which one volume is made; gone with all that is in it at the end, whatever the end is.
class Workplace {
 public:
  Workplace(const fs::path& directory, model::ResourceId id) : path_((directory / (id.text() + ".XXXXXX")).string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw system_error(errno, "mkdtemp " + path_);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace() {
    std::error_code ignored;  // what stays is swept at the next start
    fs::remove_all(path_, ignored);
  }

  fs::path path() const { return path_; }
  fs::path file() const { return fs::path(path_) / "volume"; }

 private:
  std::string path_;
};

// "    (12.34/100%)\r" as qemu-img has it, in pieces of any size.
class ProgressReader {
 public:
  explicit ProgressReader(const std::function<void(int)>& tell) : tell_(tell) {}

  void operator()(std::string_view text) {
    for (const char letter : text) {
      if (letter == '(') {
        number_.clear();
      } else if (letter == '/') {
        report();
      } else if (number_.size() < 8) {
        number_ += letter;
      }
    }
  }

 private:
  void report() {
    int whole = 0;
    const auto [end, error] = std::from_chars(number_.data(), number_.data() + number_.size(), whole);
    if (error != std::errc() || whole < 0 || whole > 100) return;
    int mille = whole * 10;
    if (end + 1 < number_.data() + number_.size() && *end == '.' && end[1] >= '0' && end[1] <= '9') mille += end[1] - '0';
    if (mille <= told_ || mille >= 1000) return;  // done is when the volume is in its place
    told_ = mille;
    if (tell_) tell_(mille);
  }

  const std::function<void(int)>& tell_;
  std::string number_;
  int told_ = 0;
};

// Room for what the file needs beside the guest's data: in qcow2 its tables, of which the smallest clusters need the most.
std::int64_t file_limit(const ImageFacts& facts) {
  return facts.virtual_size + (facts.format == ImageFormat::qcow2 ? facts.virtual_size / 512 + (64 << 20) : 0);
}

// The slowest is decompression; what needs more is no image that is meant to be used.
std::chrono::seconds cpu_limit(const ImageFacts& facts) { return std::chrono::seconds(60 + facts.virtual_size / (16 << 20)); }

[[noreturn]] void report(const ProgramEnd& end, std::string_view doing) {
  const auto detail = fmt::format("{}: status {}: {}", doing, end.status, end.errors);
  const auto says = [&end](std::string_view text) { return end.errors.find(text) != std::string::npos; };
  if (says("No space left on device") || says("Disk quota exceeded"))
    throw Error(ErrorCode::storage_full, "The storage pool is full", detail);
  if (says("File too large") || end.status == 128 + SIGXFSZ)
    throw Error(ErrorCode::storage_full, "The image grew beyond what the storage pool allows", detail);
  if (end.status == 128 + SIGXCPU)
    throw Error(ErrorCode::image_corrupt, "The image takes far more work to read than its size explains", detail);
  if (says("error while reading") || says("Could not open '/in/"))
    throw Error(ErrorCode::image_corrupt, "The image is damaged: not all of it can be read. Look at it with: qemu-img check IMAGE", detail);
  throw Error(ErrorCode::storage_failed, "The image could not be written", detail);
}

std::string volume_format(ImageFormat format) { return format == ImageFormat::qcow2 ? "qcow2" : "raw"; }

}  // namespace

Volumes::Volumes(fs::path directory, SandboxSettings sandbox)
    : directory_(fs::absolute(std::move(directory))), sandbox_(std::move(sandbox)) {
  std::error_code error;
  fs::create_directories(directory_.parent_path(), error);
  make_directory(directory_);
  if (::chmod(directory_.c_str(), 0700) != 0) throw system_error(errno, "chmod " + directory_.string());
  fs::remove_all(directory_ / kWork, error);
  make_directory(directory_ / kWork);
}

fs::path Volumes::path(model::ResourceId id) const { return directory_ / id.text(); }

bool Volumes::exists(model::ResourceId id) const {
  struct stat status{};
  return ::lstat(path(id).c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string Volumes::head(model::ResourceId id, std::size_t bytes) const {
  if (!exists(id)) return {};
  const auto file = open_file(path(id), O_RDONLY);
  std::string text(bytes, '\0');
  const auto got = ::pread(file.number(), text.data(), text.size(), 0);
  if (got < 0) throw system_error(errno, "read " + path(id).string());
  text.resize(static_cast<std::size_t>(got));
  return text;
}

void Volumes::create(model::ResourceId id, ImageFormat format, std::int64_t virtual_size) {
  if (format == ImageFormat::iso) throw Error(ErrorCode::image_unsupported, "An empty ISO image is of no use: upload one");
  if (virtual_size <= 0 || virtual_size > kMaxVirtualSize) throw Error(ErrorCode::image_unsupported, "An image has from 1 byte to 64 TiB");
  if (exists(id)) return;
  const ImageFacts facts{format, static_cast<std::int64_t>(rounded_up(static_cast<std::uint64_t>(virtual_size), 512))};
  const Workplace work(directory_ / kWork, id);
  if (format == ImageFormat::raw) {
    const auto file = open_file(work.file(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (::ftruncate(file.number(), facts.virtual_size) != 0) throw system_error(errno, "ftruncate " + work.file().string());
  } else {
    const auto size = std::to_string(facts.virtual_size);
    const auto end = sandbox_.run({.arguments = {"create", "-q", "-f", "qcow2", "-o", "compat=1.1", std::string(kFileInside), size},
                                   .output = work.path(),
                                   .file_bytes = file_limit(facts)});
    if (!end.success()) report(end, "qemu-img create");
    inspect_file(work.file(), format);
  }
  publish(work.file(), id);
}

ImageFacts Volumes::launder(const fs::path& source, ImageFacts announced, model::ResourceId id, const std::function<void(int)>& progress) {
  if (exists(id)) return {announced.format, inspect_file(path(id), announced.format).virtual_size};
  // Looked at once more, for whoever forgot to: only what has passed is shown to qemu-img.
  const auto facts = inspect_file(source, announced.format);
  if (facts.virtual_size != announced.virtual_size)
    throw Error(ErrorCode::image_corrupt, "The image has changed since it was looked at",
                fmt::format("{}: {} bytes, not {}", source.string(), facts.virtual_size, announced.virtual_size));
  if (progress) progress(0);
  const Workplace work(directory_ / kWork, id);
  if (facts.format == ImageFormat::qcow2) check(source, facts);
  convert(source, facts, work.path(), progress);
  // What was hostile enough to take qemu-img over is stopped here: the result is trusted no more than the upload was.
  if (inspect_file(work.file(), facts.format).virtual_size != facts.virtual_size)
    throw Error(ErrorCode::image_corrupt, "The image is of another size than it says", source.string());
  publish(work.file(), id);
  if (progress) progress(1000);
  return facts;
}

// Reads all tables: data that lies behind the file's end would otherwise silently become zeros.
void Volumes::check(const fs::path& source, const ImageFacts& facts) {
  constexpr int kLeaks = 3;  // clusters that nobody uses: harmless
  const auto end = sandbox_.run(
      {.arguments = {"check", "-q", "-f", "qcow2", std::string(Sandbox::kInput)}, .input = source, .cpu = cpu_limit(facts)});
  if (end.success() || end.status == kLeaks) return;
  if (end.status != 1 && end.status != 2) report(end, "qemu-img check");
  throw Error(ErrorCode::image_corrupt, "The qcow2 image is damaged. Look at it with: qemu-img check IMAGE", end.errors);
}

void Volumes::convert(const fs::path& source, const ImageFacts& facts, const fs::path& work, const std::function<void(int)>& progress) {
  const auto format = volume_format(facts.format);
  SandboxRun run{.arguments = {"convert", "-p", "-f", format, "-O", format}, .input = source, .output = work,
                 .file_bytes = file_limit(facts), .cpu = cpu_limit(facts)};
  if (facts.format == ImageFormat::qcow2) run.arguments.insert(run.arguments.end(), {"-o", "compat=1.1"});
  run.arguments.insert(run.arguments.end(), {std::string(Sandbox::kInput), std::string(kFileInside)});
  ProgressReader reader(progress);
  const auto end = sandbox_.run(run, [&reader](std::string_view text) { reader(text); });
  if (!end.success()) report(end, "qemu-img convert");
}

void Volumes::publish(const fs::path& file, model::ResourceId id) {
  if (::chmod(file.c_str(), 0600) != 0) throw system_error(errno, "chmod " + file.string());
  sync_file(file);
  rename_file(file, path(id));
  sync_file(directory_);
}

void Volumes::remove(model::ResourceId id) {
  if (::unlink(path(id).c_str()) != 0 && errno != ENOENT) throw system_error(errno, "unlink " + path(id).string());
  sync_file(directory_);
}

std::vector<model::ResourceId> Volumes::list() const {
  std::vector<model::ResourceId> result;
  std::error_code error;
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    const auto id = model::ResourceId::parse(name);
    if (id && id->text() == name && entry->symlink_status().type() == fs::file_type::regular) result.push_back(*id);
  }
  if (error) throw system_error(error.value(), "list " + directory_.string());
  return result;
}

void Volumes::quarantine(model::ResourceId id) {
  if (!exists(id)) return;
  const auto directory = directory_ / kQuarantine;
  make_directory(directory);
  auto target = directory / id.text();
  for (int i = 1; fs::exists(fs::symlink_status(target)); ++i) target = directory / fmt::format("{}.{}", id.text(), i);
  rename_file(path(id), target);
  sync_file(directory);
  sync_file(directory_);
}

unsigned long long Volumes::processes() const { return sandbox_.processes(); }

}  // namespace velocity::storage
