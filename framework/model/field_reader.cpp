#include "framework/model/field_reader.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace velocity::model {
namespace {

constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxNameCharacters = 64;

// The code points of a text (RFC 3629), or nothing when it is not UTF-8.
std::optional<std::u32string> decode(std::string_view utf8) {
  std::u32string points;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[i++]);
    const int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : -1;
    if (more < 0 || i + static_cast<std::size_t>(more) > utf8.size()) return std::nullopt;
    char32_t point = more == 0 ? lead : lead & (0x3f >> more);
    for (int k = 0; k < more; ++k) {
      const auto next = static_cast<unsigned char>(utf8[i++]);
      if ((next & 0xc0) != 0x80) return std::nullopt;
      point = (point << 6) | (next & 0x3f);
    }
    constexpr char32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (point < kLeast[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return std::nullopt;
    points.push_back(point);
  }
  return points;
}

}  // namespace

std::optional<std::string> name_fault(std::string_view name) {
  if (name.empty()) return "must not be empty";
  if (name.size() > kMaxNameBytes) return "must have at most 64 characters";
  const auto points = decode(name);
  if (!points) return "must be UTF-8";
  if (points->size() > kMaxNameCharacters) return "must have at most 64 characters";
  if (name == "." || name == "..") return "must not be \".\" or \"..\"";
  if (name.front() == ' ' || name.back() == ' ') return "must not begin or end with a space";
  for (const auto point : *points) {
    if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return "must not have control characters";
    if (point == '/') return "must not have a slash";
    if ((point & 0xfffe) == 0xfffe) return "must not have code points that are no characters";
  }
  return std::nullopt;
}

FieldReader::FieldReader(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object_.is_object()) note_at(path_, "must be an object");
}

const Json* FieldReader::find(std::string_view field) const {
  if (!object_.is_object()) return nullptr;
  asked_.emplace_back(field);
  const auto found = object_.find(field);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool FieldReader::has(std::string_view field) const { return find(field) != nullptr; }

std::optional<std::int64_t> FieldReader::integer_value(const Json& value, const std::string& path, std::int64_t min, std::int64_t max) {
  std::optional<std::int64_t> number;
  if (value.is_number_unsigned()) {
    const auto raw = value.get<std::uint64_t>();
    if (raw <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) number = static_cast<std::int64_t>(raw);
  } else if (value.is_number_integer()) {
    number = value.get<std::int64_t>();
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    std::int64_t parsed = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (fault == std::errc() && end == text.data() + text.size()) number = parsed;
  }
  if (number && *number >= min && *number <= max) return number;
  note_at(path, max == std::numeric_limits<std::int64_t>::max() ? fmt::format("must be a whole number of at least {}", min)
                                                                 : fmt::format("must be a whole number from {} to {}", min, max));
  return std::nullopt;
}

std::optional<std::int64_t> FieldReader::integer(std::string_view field, std::int64_t min, std::int64_t max) {
  const auto* value = find(field);
  return value ? integer_value(*value, path_of(field), min, max) : std::nullopt;
}

std::optional<bool> FieldReader::boolean(std::string_view field) {
  const auto* value = find(field);
  if (!value) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_string()) {  // forms and query strings have no other way to say it
    const auto& text = value->get_ref<const std::string&>();
    if (text == "true") return true;
    if (text == "false") return false;
  }
  note(field, "must be true or false");
  return std::nullopt;
}

std::optional<std::string> FieldReader::text(std::string_view field, std::size_t max_bytes) {
  const auto* value = find(field);
  if (!value) return std::nullopt;
  if (!value->is_string()) {
    note(field, "must be a string");
    return std::nullopt;
  }
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > max_bytes) {
    note(field, fmt::format("must have at most {} bytes", max_bytes));
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> FieldReader::name(std::string_view field) {
  auto value = text(field);
  if (!value) return std::nullopt;
  if (auto fault = name_fault(*value)) {
    note(field, std::move(*fault));
    return std::nullopt;
  }
  return value;
}

std::vector<std::int64_t> FieldReader::integers(std::string_view field, std::int64_t min, std::int64_t max) {
  std::vector<std::int64_t> numbers;
  const auto* values = array(field);
  if (!values) return numbers;
  for (std::size_t i = 0; i < values->size(); ++i)
    if (const auto number = integer_value((*values)[i], path_of(field) + "/" + std::to_string(i), min, max)) numbers.push_back(*number);
  return numbers;
}

const Json* FieldReader::array(std::string_view field) {
  const auto* value = find(field);
  if (!value) return nullptr;
  if (value->is_array()) return value;
  note(field, "must be an array");
  return nullptr;
}

std::optional<Uuid> FieldReader::uuid(std::string_view field) {
  const auto* value = find(field);
  if (!value) return std::nullopt;
  if (value->is_string())
    if (const auto uuid = Uuid::parse(value->get_ref<const std::string&>())) return uuid;
  note(field, "must be a UUID");
  return std::nullopt;
}

void FieldReader::note(std::string_view field, std::string message) { note_at(path_of(field), std::move(message)); }

void FieldReader::note_at(std::string path, std::string message) { problems_.push_back({std::move(path), std::move(message)}); }

void FieldReader::absorb(FieldReader&& other) {
  for (auto& problem : other.problems_) problems_.push_back(std::move(problem));
  other.problems_.clear();
}

std::string FieldReader::path_of(std::string_view field) const { return path_ + "/" + std::string(field); }

void FieldReader::finish_closed() {
  if (object_.is_object())
    for (const auto& [field, value] : object_.items())
      if (!value.is_null() && std::find(asked_.begin(), asked_.end(), field) == asked_.end()) note(field, "is not a field of this request");
  finish();
}

void FieldReader::finish() {
  if (!problems_.empty()) throw Error(std::move(problems_));
}

}  // namespace velocity::model
