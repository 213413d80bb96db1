// Reads the fields of a JSON object, collecting every problem with its path instead of stopping at the first. Included by whatever
// turns JSON from outside into values. It is the only way numbers are read: the library's own get<int>() wraps silently.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/model/error.hpp"
#include "framework/model/json.hpp"
#include "framework/model/uuid.hpp"

namespace velocity::model {

// What a name that people give (user, group, label, machine) must look like: 1 to 64 characters of UTF-8, no control characters,
// no '/', no space at either end, and neither "." nor "..". Returns what is wrong, or nothing.
std::optional<std::string> name_fault(std::string_view name);

// Borrows the object. Each getter answers nothing for an absent field and for a faulty one (which it notes).
// Call finish() before using what was read: it throws request_invalid with all the problems, if there are any.
class FieldReader {
 public:
  explicit FieldReader(const Json& object, std::string path = {});

  std::optional<std::int64_t> integer(std::string_view field, std::int64_t min, std::int64_t max);
  std::optional<bool> boolean(std::string_view field);
  std::optional<std::string> text(std::string_view field, std::size_t max_bytes = 4096);
  std::optional<std::string> name(std::string_view field);
  std::vector<std::int64_t> integers(std::string_view field, std::int64_t min, std::int64_t max);
  const Json* array(std::string_view field);  // a missing array is the empty one: null only when there is nothing to read

  template <class IdType>
  std::optional<IdType> id(std::string_view field) {
    const auto uuid = this->uuid(field);
    return uuid ? std::optional<IdType>(IdType(*uuid)) : std::nullopt;
  }

  // As above, and a missing field is a problem; the value then is T{} until finish() throws.
  template <class T>
  T require(std::string_view field, std::optional<T> value) {
    if (value) return *value;
    if (!has(field)) note(field, "is required");
    return T{};
  }

  bool has(std::string_view field) const;
  void note(std::string_view field, std::string message);
  void note_at(std::string path, std::string message);
  void absorb(FieldReader&& other);  // takes the problems of a reader for a nested object
  std::string path_of(std::string_view field) const;
  void finish();
  // The same, and a field that nobody has asked for is a problem: it may be a misspelt one that would be missed. null is the same as absent.
  void finish_closed();

 private:
  std::optional<Uuid> uuid(std::string_view field);
  const Json* find(std::string_view field) const;
  std::optional<std::int64_t> integer_value(const Json& value, const std::string& path, std::int64_t min, std::int64_t max);

  const Json& object_;
  std::string path_;
  std::vector<Problem> problems_;
  mutable std::vector<std::string> asked_;
};

}  // namespace velocity::model
