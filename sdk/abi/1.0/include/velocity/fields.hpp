// Reads the fields of a JSON object from a user and collects every problem with its path, instead of stopping at the first.
// Included by plugin.hpp. The only way to read a number: the library's own get<int>() wraps silently.
#pragma once

#include <charconv>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace velocity {
namespace [[gnu::visibility("hidden")]] sdk {

using Json = nlohmann::json;

struct Problem {
  std::string path;  // JSON pointer (RFC 6901), for example "/size_mb"
  std::string message;
};

// The input is wrong. Thrown by Fields::finish(); becomes the answer's list of problems.
class Invalid : public std::exception {
 public:
  explicit Invalid(std::vector<Problem> problems) : problems_(std::move(problems)) {}
  Invalid(std::string path, std::string message) { problems_.push_back({std::move(path), std::move(message)}); }
  const char* what() const noexcept override { return "the input is not valid"; }
  const std::vector<Problem>& problems() const { return problems_; }

 private:
  std::vector<Problem> problems_;
};

// Anything else that went wrong; the text goes to the server's log.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Borrows the object. A getter answers nothing for an absent field, for null, and for a faulty one, which it notes.
// Call finish() before using what was read: it throws Invalid if there is any problem.
class Fields {
 public:
  explicit Fields(const Json& object, std::string path = {}) : object_(object), path_(std::move(path)) {
    if (!object_.is_object()) problems_.push_back({path_, "must be an object"});
  }

  std::optional<std::int64_t> integer(std::string_view field, std::int64_t min, std::int64_t max) {
    const auto* value = find(field);
    if (!value) return std::nullopt;
    if (const auto number = whole(*value); number && *number >= min && *number <= max) return number;
    note(field, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return std::nullopt;
  }

  std::optional<bool> boolean(std::string_view field) {
    const auto* value = find(field);
    if (!value) return std::nullopt;
    if (value->is_boolean()) return value->get<bool>();
    if (*value == "true") return true;  // forms and query strings have no other way to say it
    if (*value == "false") return false;
    note(field, "must be true or false");
    return std::nullopt;
  }

  std::optional<std::string> text(std::string_view field, std::size_t max_bytes = 4096) {
    const auto* value = find(field);
    if (!value) return std::nullopt;
    if (value->is_string() && value->get_ref<const std::string&>().size() <= max_bytes) return value->get<std::string>();
    note(field, "must be a text of at most " + std::to_string(max_bytes) + " bytes");
    return std::nullopt;
  }

  std::optional<std::string> one_of(std::string_view field, std::initializer_list<std::string_view> choices) {
    const auto* value = find(field);
    if (!value) return std::nullopt;
    std::string names;
    for (const auto choice : choices) {
      if (value->is_string() && value->get_ref<const std::string&>() == choice) return std::string(choice);
      names += (names.empty() ? "" : ", ") + std::string(choice);
    }
    note(field, "must be one of " + names);
    return std::nullopt;
  }

  template <class T>
  T require(std::string_view field, std::optional<T> value) {
    if (!value && !find(field)) note(field, "is required");
    return value.value_or(T{});
  }

  void note(std::string_view field, std::string message) { problems_.push_back({path_ + '/' + escaped(field), std::move(message)}); }

  // Notes each field that no getter has asked for.
  void refuse_others() {
    if (!object_.is_object()) return;
    for (const auto& [name, ignored] : object_.items())
      if (!asked_.count(name)) note(name, "is not known here");
  }

  void finish() {
    if (!problems_.empty()) throw Invalid(std::move(problems_));
  }

 private:
  const Json* find(std::string_view field) {
    asked_.emplace(field);
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(field);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  static std::optional<std::int64_t> whole(const Json& value) {
    if (value.is_number_unsigned()) {
      const auto raw = value.get<std::uint64_t>();
      if (raw <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return static_cast<std::int64_t>(raw);
    } else if (value.is_number_integer()) {
      return value.get<std::int64_t>();
    } else if (value.is_string()) {
      const auto& digits = value.get_ref<const std::string&>();
      std::int64_t number = 0;
      const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (fault == std::errc() && end == digits.data() + digits.size()) return number;
    }
    return std::nullopt;
  }

  static std::string escaped(std::string_view field) {
    std::string out;
    for (const char c : field) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return out;
  }

  const Json& object_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
  std::vector<Problem> problems_;
};

}  // namespace sdk
}  // namespace velocity
