#include "framework/plugin/candidate.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>
#include <velocity/abi.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "framework/model/field_reader.hpp"
#include "framework/plugin/elf.hpp"
#include "framework/plugin/schema.hpp"
#include "framework/plugin/trust.hpp"
#include "framework/process/descriptor.hpp"

namespace velocity::plugin {
namespace {

namespace fs = std::filesystem;

constexpr off_t kMaxFile = off_t{256} << 20;
constexpr std::size_t kMaxManifest = 16 * 1024;
constexpr std::size_t kMaxProvided = 64;

Refusal unreadable(std::string why) { return {"plugin.unreadable", "the file cannot be read: " + std::move(why), "give the server's user access to it"}; }

// Makes `content` the file's first `size` bytes; it has some of them already. Reads rather than maps: a file that shrinks meanwhile is then an
// error and no SIGBUS.
std::optional<Refusal> read_up_to(std::size_t size, const process::Descriptor& fd, std::vector<std::byte>& content) {
  auto done = content.size();
  content.resize(size);
  while (done < size) {
    const auto got = read(fd.number(), content.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return unreadable(got < 0 ? std::strerror(errno) : "it became shorter meanwhile");
    done += static_cast<std::size_t>(got);
  }
  return std::nullopt;
}

// What the dynamic loader will map of the file, from its start.
std::optional<Refusal> read_trusted(const fs::path& file, std::vector<std::byte>& content) {
  const process::Descriptor fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ELOOP) return Refusal{"plugin.symlink", "the file is a symbolic link", "put the plugin itself into the directory"};
  if (!fd) return unreadable(std::strerror(errno));
  struct stat status{};
  if (fstat(fd.number(), &status) != 0) return unreadable(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return Refusal{"plugin.not_a_file", "it is not a regular file", "keep nothing but plugins in this directory"};
  if (auto refusal = trust_fault(file, status)) return refusal;
  if (status.st_size > kMaxFile) return Refusal{"plugin.too_large", "the file is larger than 256 MiB", "strip it of its debug information"};
  const auto size = static_cast<std::size_t>(status.st_size);
  if (auto refusal = read_up_to(std::min(size, kElfHead), fd, content)) return refusal;
  return read_up_to(static_cast<std::size_t>(std::clamp<std::uint64_t>(extent_of(content), content.size(), size)), fd, content);
}

std::string digest_of(const std::vector<std::byte>& content) {
  std::array<unsigned char, 32> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(content.data()), content.size(), nullptr, 0);
  std::string text;
  for (const auto byte : hash) text += fmt::format("{:02x}", byte);
  return text;
}

bool is_printable(std::string_view text) {
  for (const unsigned char c : text)
    if (c < 0x20 || c > 0x7e) return false;
  return !text.empty();
}

bool is_type(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto kind = text.substr(0, slash);
  return (kind == "vm" || kind == "resource") && is_label(text.substr(slash + 1));
}

// Throws model::Error for a manifest that is not as abi.h says. The version of the ABI comes first: in another one all else may differ.
void parse_manifest(std::string_view text, Manifest& manifest) {
  const auto json = model::parse_json(text);
  model::FieldReader fields(json);
  const auto* abi = json.is_object() && json.contains("abi") ? &json.at("abi") : nullptr;
  if (abi) {
    model::FieldReader abi_fields(*abi, "/abi");
    manifest.abi_major = static_cast<int>(abi_fields.require("major", abi_fields.integer("major", 0, 1000)));
    manifest.abi_minor = static_cast<int>(abi_fields.require("minor", abi_fields.integer("minor", 0, 1000)));
    fields.absorb(std::move(abi_fields));
  } else {
    fields.note("abi", "is required");
  }
  manifest.name = fields.require("name", fields.text("name", 32));
  manifest.version = fields.require("version", fields.text("version", 64));
  manifest.licence = fields.require("licence", fields.text("licence", 64));
  if (!is_label(manifest.name)) fields.note("name", "must be a label");
  if (!is_printable(manifest.version)) fields.note("version", "must be printable");
  if (!is_printable(manifest.licence)) fields.note("licence", "must be printable");
  const auto* provides = fields.array("provides");
  if (!provides || provides->empty() || provides->size() > kMaxProvided) fields.note("provides", "must name what the plugin brings");
  std::set<std::string> once;
  if (provides)
    for (const auto& type : *provides)
      if (!type.is_string() || !is_type(type.get_ref<const std::string&>()) || !once.insert(type.get<std::string>()).second)
        fields.note("provides", "must be a list of vm/<type> and resource/<type>");
  fields.finish();
  if (const auto settings = json.find("settings"); settings != json.end()) manifest.settings = Schema(*settings).document();
  manifest.provides.assign(once.begin(), once.end());
}

std::optional<Refusal> check_manifest(const ElfFacts& facts, Manifest& manifest) {
  if (!facts.manifest) return Refusal{"plugin.no_manifest", "the file has no manifest: it is no plugin of Velocity", "build it with velocity_add_plugin()"};
  std::optional<Refusal> broken;
  try {
    if (facts.manifest->size() > kMaxManifest) throw model::Error(model::ErrorCode::request_too_large, "it is larger than 16 KiB");
    parse_manifest(*facts.manifest, manifest);
  } catch (const model::Error& error) {
    broken = Refusal{"plugin.manifest_invalid", "the manifest is not valid: " + error.message(), "build it with velocity_add_plugin()"};
  }
  constexpr int kMajor = static_cast<int>(VELOCITY_ABI_MAJOR);
  constexpr int kMinor = static_cast<int>(VELOCITY_ABI_MINOR);
  if (manifest.abi_major != 0 && manifest.abi_major != kMajor)
    return Refusal{"plugin.abi_major", fmt::format("it is built for plugin ABI {}, this server speaks {}", manifest.abi_major, kMajor),
                   manifest.abi_major > kMajor ? "use a newer server, or a build for this one" : "install a newer build of the plugin"};
  if (broken) return broken;
  if (manifest.abi_minor > kMinor)
    return Refusal{"plugin.abi_minor", fmt::format("it needs plugin ABI {}.{}, this server speaks {}.{}", kMajor, manifest.abi_minor, kMajor, kMinor),
                   "use a newer server"};
  return std::nullopt;
}

std::optional<Refusal> check(const fs::path& file, Candidate& candidate) {
  std::vector<std::byte> content;
  if (auto refusal = read_trusted(file, content)) return refusal;
  ElfFacts facts;
  if (auto refusal = read_elf(content, facts)) return refusal;
  if (auto refusal = check_manifest(facts, candidate.manifest)) return refusal;
  if (!facts.resident) return Refusal{"plugin.unloadable", "the file can be unloaded, and its functions with it", "link it with -Wl,-z,nodelete"};
  if (facts.executable_stack) return Refusal{"plugin.executable_stack", "the file asks for stacks that can be executed", "link it with -Wl,-z,noexecstack"};
  candidate.digest = digest_of(content);
  return std::nullopt;
}

}  // namespace

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > 32 || text.front() < 'a' || text.front() > 'z') return false;
  for (const char c : text)
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') return false;
  return true;
}

Candidate examine(const fs::path& file) {
  Candidate candidate;
  candidate.file = fs::absolute(file);
  std::error_code failed;
  const auto directory = fs::canonical(candidate.file.parent_path(), failed);  // the directory may be reached by links; the file may be none
  if (failed) {
    candidate.refusal = unreadable(failed.message());
    return candidate;
  }
  candidate.file = directory / candidate.file.filename();
  candidate.refusal = check(candidate.file, candidate);
  return candidate;
}

}  // namespace velocity::plugin
