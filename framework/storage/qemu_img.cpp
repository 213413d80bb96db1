#include "framework/storage/qemu_img.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <sys/stat.h>

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;
namespace fs = std::filesystem;

const std::string kInside(Sandbox::kInput);
const std::string kMade = fmt::format("{}/{}", Sandbox::kOutput, QemuImg::kVolume);

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
std::int64_t tables_of(std::int64_t virtual_size) { return virtual_size / 512 + (64 << 20); }
std::int64_t file_limit(const ImageFacts& facts) {
  return facts.virtual_size + (facts.format == ImageFormat::qcow2 ? tables_of(facts.virtual_size) : 0);
}

std::int64_t length_of(const fs::path& file) {
  struct stat status{};
  return ::lstat(file.c_str(), &status) == 0 ? status.st_size : 0;
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
  if (says("Failed to get ")) throw Error(ErrorCode::resource_in_use, "The image is in use by a program that may write to it", detail);
  if (says("error while reading") || says("Could not open '/in/"))
    throw Error(ErrorCode::image_corrupt, "The image is damaged: not all of it can be read. Look at it with: qemu-img check IMAGE", detail);
  throw Error(ErrorCode::storage_failed, "The image could not be written", detail);
}

void show(SandboxRun& run, const Layers& image) {
  run.input = image.front();
  run.below.assign(image.begin() + 1, image.end());
}

}  // namespace

std::string driver_of(ImageFormat format) { return format == ImageFormat::qcow2 ? "qcow2" : "raw"; }

// Reads all tables: data that lies behind the file's end would otherwise silently become zeros.
void QemuImg::check(const fs::path& image, const ImageFacts& facts) {
  constexpr int kLeaks = 3;  // clusters that nobody uses: harmless
  const auto end = sandbox_.run({.arguments = {"check", "-q", "-f", "qcow2", kInside}, .input = image, .cpu = cpu_limit(facts)});
  if (end.success() || end.status == kLeaks) return;
  if (end.status != 1 && end.status != 2) report(end, "qemu-img check");
  throw Error(ErrorCode::image_corrupt, "The qcow2 image is damaged. Look at it with: qemu-img check IMAGE", end.errors);
}

void QemuImg::convert(const Layers& image, const ImageFacts& facts, const fs::path& directory, const std::function<void(int)>& progress) {
  const auto driver = driver_of(facts.format);
  SandboxRun run{.arguments = {"convert", "-p", "-f", driver, "-O", driver}, .output = directory, .file_bytes = file_limit(facts), .cpu = cpu_limit(facts)};
  show(run, image);
  if (facts.format == ImageFormat::qcow2) run.arguments.insert(run.arguments.end(), {"-o", "compat=1.1"});
  run.arguments.insert(run.arguments.end(), {kInside, kMade});
  ProgressReader reader(progress);
  const auto end = sandbox_.run(run, [&reader](std::string_view text) { reader(text); });
  if (!end.success()) report(end, "qemu-img convert");
}

void QemuImg::change(const Layers& image, std::int64_t file_bytes, std::vector<std::string> arguments) {
  const auto doing = "qemu-img " + arguments.front();
  SandboxRun run{.arguments = std::move(arguments), .writable = true, .file_bytes = std::max(file_bytes, length_of(image.front()))};
  show(run, image);
  const auto end = sandbox_.run(run);
  if (!end.success()) report(end, doing);
}

void QemuImg::resize(const Layers& image, std::int64_t virtual_size) {
  change(image, length_of(image.front()) + tables_of(virtual_size), {"resize", "-q", "-f", "qcow2", kInside, std::to_string(virtual_size)});
}

void QemuImg::snapshot(const Layers& image, const ImageFacts& facts, Verb verb, model::Uuid name) {
  const auto* option = verb == Verb::take ? "-c" : verb == Verb::apply ? "-a" : "-d";
  // The one verb without -f: the format is said in this way.
  change(image, length_of(image.front()) + tables_of(facts.virtual_size),
         {"snapshot", "-q", option, name.text(), "--image-opts", "driver=qcow2,file.driver=file,file.filename=" + kInside});
}

}  // namespace velocity::storage
