#include "framework/plugin/plan_files.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "framework/model/error.hpp"

namespace velocity::plugin {
namespace {

constexpr std::size_t kMaxFiles = 8;
constexpr std::size_t kMaxEntries = 32;
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxLabel = 32;   // of a CD
constexpr std::size_t kSmcKey = 64;

bool is_name(const Json& name) {
  if (!name.is_string()) return false;
  const auto& text = name.get_ref<const std::string&>();
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  if (text.empty() || text.size() > kMaxName || text.front() == '.' || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), plain);
}

bool is_label(const Json& label) {
  if (!label.is_string()) return false;
  const auto& text = label.get_ref<const std::string&>();
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && text.size() <= kMaxLabel && std::all_of(text.begin(), text.end(), plain);
}

// In QEMU's configuration file it stands between quotation marks.
bool is_smc_key(const Json& key) {
  if (!key.is_string()) return false;
  const auto& text = key.get_ref<const std::string&>();
  return text.size() == kSmcKey && std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"'; });
}

[[noreturn]] void refuse_plan(const std::string& plugin, const char* what) {
  throw model::Error(model::ErrorCode::plugin_failed, fmt::format("The plugin {} answered what makes no sense", plugin),
                     fmt::format("its plan has {}", what));
}

class FileReader {
 public:
  explicit FileReader(const std::string& plugin) : plugin_(plugin) {}

  PlanFile read(const Json& file) {
    if (!file.is_object() || !file.value("content", Json()).is_object()) refuse("a file without content");
    const auto name = file.value("name", Json());
    const auto kind = file.value("kind", Json());
    if (!is_name(name)) refuse("a file without a plain name");
    if (!names_.insert(name.get<std::string>()).second) refuse("two files of one name");
    const auto& content = file.at("content");
    if (kind == "iso9660") return {name.get<std::string>(), image(content)};
    if (kind != "apple-smc") refuse("a file of a kind that is not known");
    if (!is_smc_key(content.value("key", Json()))) refuse("a key that is none");
    return {name.get<std::string>(), AppleSmc{content.at("key").get<std::string>()}};
  }

 private:
  IsoImage image(const Json& content) const {
    const auto label = content.value("label", Json());
    const auto entries = content.value("entries", Json());
    if (!is_label(label)) refuse("an image without a label");
    if (!entries.is_object() || entries.size() > kMaxEntries) refuse("an image without entries, or with too many");
    IsoImage image{label.get<std::string>(), {}};
    for (const auto& [name, text] : entries.items()) {
      if (!is_name(name) || !text.is_string()) refuse("an image's entry that is no text with a plain name");
      image.entries[name] = text.get<std::string>();
    }
    return image;
  }

  [[noreturn]] void refuse(const char* what) const { refuse_plan(plugin_, what); }

  const std::string& plugin_;
  std::set<std::string> names_;
};

}  // namespace

std::vector<PlanFile> files_of(const Json& reply, const std::string& plugin) {
  const auto list = reply.find("files");
  if (list == reply.end()) return {};
  if (!list->is_array() || list->size() > kMaxFiles) refuse_plan(plugin, "no list of files, or too many");
  FileReader reader(plugin);
  std::vector<PlanFile> files;
  for (const auto& file : *list) files.push_back(reader.read(file));
  return files;
}

}  // namespace velocity::plugin
