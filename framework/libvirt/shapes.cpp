#include "framework/libvirt/shapes.hpp"

#include <algorithm>
#include <iterator>
#include <pugixml.hpp>
#include <sstream>
#include <string_view>
#include <utility>

namespace velocity::libvirt {

namespace {

constexpr const char* kAnything = "*";
constexpr const char* kOfTheCore[] = {"name", "uuid", "title", "metadata", "memory", "vcpu"};
// Where the schema wants the path of a file and nothing else. What else begins with a slash may be just what it objects to.
constexpr std::string_view kPathAttributes[] = {"file", "dev", "dir", "path", "socket", "template"};
constexpr std::string_view kPathElements[] = {"emulator", "loader", "nvram", "kernel", "initrd"};

template <std::size_t N>
bool is_one_of(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

void blank_paths(pugi::xml_node node) {
  const bool is_mac = std::string_view(node.name()) == "mac";
  for (pugi::xml_attribute attribute : node.attributes()) {
    const bool address = is_mac && std::string_view(attribute.name()) == "address";
    if (address || (is_one_of(kPathAttributes, attribute.name()) && *attribute.value() == '/')) attribute = kAnything;
  }
  const bool is_path = is_one_of(kPathElements, node.name());
  for (pugi::xml_node child : node.children()) {
    if (is_path && child.type() == pugi::node_pcdata && *child.value() == '/') child.set_value(kAnything);
    else blank_paths(child);
  }
}

}  // namespace

std::string shape_of(const std::string& domain_xml) {
  pugi::xml_document document;
  if (!document.load_buffer(domain_xml.data(), domain_xml.size())) return {};
  pugi::xml_node domain = document.child("domain");
  for (const char* name : kOfTheCore) {
    pugi::xml_node node = domain.child(name);
    if (!node) continue;
    node.remove_children();
    node.text() = kAnything;
  }
  blank_paths(domain);
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return std::move(text).str();
}

bool ValidatedShapes::knows(const std::string& shape) const {
  const std::lock_guard lock(mutex_);
  return !shape.empty() && shapes_.count(shape) > 0;
}

void ValidatedShapes::note(std::string shape) {
  if (shape.empty()) return;
  const std::lock_guard lock(mutex_);
  if (shapes_.size() >= kMost) shapes_.clear();
  shapes_.insert(std::move(shape));
}

void ValidatedShapes::clear() {
  const std::lock_guard lock(mutex_);
  shapes_.clear();
}

}  // namespace velocity::libvirt
