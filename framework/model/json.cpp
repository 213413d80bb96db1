#include "framework/model/json.hpp"

#include <string>
#include <vector>

#include "framework/model/error.hpp"

namespace velocity::model {
namespace {

// Builds the document from the parser's events, and refuses what the library itself lets pass.
class Builder {
 public:
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string& /*text*/) { return add(value); }
  bool string(std::string& value) { return add(value); }
  bool binary(Json::binary_t& value) { return add(value); }  // no text has it
  bool start_object(std::size_t /*unknown*/) { return open(Json::object()); }
  bool end_object() { return close(); }
  bool start_array(std::size_t /*unknown*/) { return open(Json::array()); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    const auto [place, fresh] = open_.back()->get_ref<Json::object_t&>().try_emplace(name);
    if (!fresh) throw Error(ErrorCode::request_malformed, "The JSON has the key \"" + name + "\" twice in one object");
    member_ = &place->second;
    return true;
  }

  [[noreturn]] bool parse_error(std::size_t byte, const std::string& /*token*/, const Json::exception& error) {
    constexpr int kOutOfRange = 406;
    if (error.id == kOutOfRange) throw Error(ErrorCode::request_malformed, "The text is not valid JSON: it has a number out of range", error.what());
    throw Error(ErrorCode::request_malformed, "The text is not valid JSON: it fails at byte " + std::to_string(byte), error.what());
  }

  Json document;

 private:
  template <class Value>
  bool add(Value&& value) {
    place() = std::forward<Value>(value);
    return true;
  }

  bool open(Json&& empty) {
    if (static_cast<int>(open_.size()) == kMaxJsonDepth) throw Error(ErrorCode::request_malformed, "The JSON is nested deeper than 32 levels");
    auto& opened = place();
    opened = std::move(empty);
    open_.push_back(&opened);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  // Where the next value goes. While something in an array is open, nothing is added to that array: the pointers stay valid.
  Json& place() {
    if (open_.empty()) return document;
    if (open_.back()->is_object()) return *member_;
    return open_.back()->get_ref<Json::array_t&>().emplace_back();
  }

  std::vector<Json*> open_;
  Json* member_ = nullptr;  // of the innermost object, whose key was read last
};

}  // namespace

Json parse_json(std::string_view text) {
  Builder builder;
  Json::sax_parse(text, &builder);
  return std::move(builder.document);
}

std::string dump_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace velocity::model
