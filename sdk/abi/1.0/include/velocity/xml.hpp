// Writes libvirt XML fragments that cannot be injected: text and attribute values are escaped here, names are checked, and every
// element is closed. Included by plugins; needs nothing but the standard library.
//
//   xml::Element disk("disk");
//   disk.attribute("type", "file");
//   disk.child("source").attribute("file", path);
//   disk.str();
#pragma once

#include <list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace velocity {
namespace [[gnu::visibility("hidden")]] sdk {
namespace xml {

namespace detail {

// Letters, digits, '-', '_': what libvirt's own names are made of. A namespace is not to be had.
inline bool name_ok(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (name.empty() || !letter(name.front())) return false;
  for (const char c : name)
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '-') return false;
  return true;
}

// The bytes of one well-formed UTF-8 character at the front of `text` that XML 1.0 can carry, or 0.
inline std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const auto first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    const auto code = ((first & 0x0fU) << 12) | ((byte(1) & 0x3fU) << 6) | (byte(2) & 0x3fU);
    return code >= 0x800 && !(code >= 0xd800 && code <= 0xdfff) && code < 0xfffe ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    const auto code = ((first & 0x07U) << 18) | ((byte(1) & 0x3fU) << 12) | ((byte(2) & 0x3fU) << 6) | (byte(3) & 0x3fU);
    return code >= 0x10000 && code <= 0x10ffff ? 4 : 0;
  }
  return 0;
}

inline void escape(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto size = character(text);
    if (size == 0) throw std::invalid_argument("XML cannot carry a control character or bytes that are not UTF-8");
    switch (text.front()) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      case '\t': out += "&#9;"; break;  // a parser would turn these three into spaces in an attribute
      case '\n': out += "&#10;"; break;
      case '\r': out += "&#13;"; break;
      default: out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
}

}  // namespace detail

// One element with its attributes, text and children. Throws std::invalid_argument for a name that is none, an attribute given
// twice, and text that XML cannot carry; never writes anything but one well-formed element.
class Element {
 public:
  explicit Element(std::string_view name) : name_(checked(name)) {}

  Element& attribute(std::string_view name, std::string_view value) {
    for (const auto& [present, ignored] : attributes_)
      if (present == name) throw std::invalid_argument("the attribute " + std::string(name) + " is given twice");
    attributes_.emplace_back(checked(name), value);
    return *this;
  }

  template <class Number>
    requires(std::is_integral_v<Number> && !std::is_same_v<Number, bool> && !std::is_same_v<Number, char>)
  Element& attribute(std::string_view name, Number value) {
    return attribute(name, std::string_view(std::to_string(value)));
  }

  Element& text(std::string_view text) {
    text_ += text;
    return *this;
  }

  // The new child, which lives as long as this element.
  Element& child(std::string_view name) { return children_.emplace_back(name); }

  std::string str() const {
    std::string out;
    write(out);
    return out;
  }

 private:
  static std::string checked(std::string_view name) {
    if (!detail::name_ok(name)) throw std::invalid_argument("not a name for XML: " + std::string(name));
    return std::string(name);
  }

  void write(std::string& out) const {
    out += '<' + name_;
    for (const auto& [name, value] : attributes_) {
      out += ' ' + name + "='";
      detail::escape(out, value);
      out += '\'';
    }
    if (text_.empty() && children_.empty()) {
      out += "/>";
      return;
    }
    out += '>';
    detail::escape(out, text_);
    for (const auto& child : children_) child.write(out);
    out += "</" + name_ + '>';
  }

  std::string name_;
  std::vector<std::pair<std::string, std::string>> attributes_;
  std::string text_;
  std::list<Element> children_;  // a list, so that references to children stay good
};

}  // namespace xml
}  // namespace sdk
}  // namespace velocity
