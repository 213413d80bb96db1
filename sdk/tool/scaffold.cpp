#include "sdk/tool/scaffold.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "framework/plugin/candidate.hpp"

namespace velocity::tool {
namespace {

namespace fs = std::filesystem;

// "two-words" as a file's name is two_words, as a class TwoWords.
std::string as_source(std::string name) {
  for (auto& c : name)
    if (c == '-') c = '_';
  return name;
}

std::string as_class(const std::string& name) {
  std::string made;
  bool begins = true;
  for (const char c : name) {
    if (c != '-') made += static_cast<char>(begins && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    begins = c == '-';
  }
  return made;
}

std::string filled_in(std::string text, const std::string& name) {
  const auto replace = [&text](const std::string& mark, const std::string& value) {
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size())) text.replace(at, mark.size(), value);
  };
  replace("@name@", name);
  replace("@source@", as_source(name));
  replace("@Class@", as_class(name));
  return text;
}

}  // namespace

std::vector<std::string> scaffold(const std::string& kind, const std::string& name, const std::string& directory) {
  if (!plugin::is_label(name)) throw std::runtime_error("a name is a lower-case letter, then letters, digits and '-', at most 32: not \"" + name + "\"");
  std::error_code failed;
  if (fs::exists(directory, failed)) throw std::runtime_error(directory + " is there already");
  if (!fs::create_directories(directory, failed) || failed) throw std::runtime_error(directory + " cannot be made: " + failed.message());
  std::vector<std::string> written;
  for (const auto& made : templates()) {
    if (made.kind != kind) continue;
    const auto file = fs::path(directory) / (made.file == "source.cpp" ? as_source(name) + ".cpp" : made.file);
    std::ofstream out(file);
    out << filled_in(made.text, name);
    if (!out.flush()) throw std::runtime_error(file.string() + " cannot be written");
    written.push_back(file.string());
  }
  return written;
}

}  // namespace velocity::tool
