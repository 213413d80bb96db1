#include "framework/model/json.hpp"

#include <set>
#include <string>
#include <vector>

#include "framework/model/error.hpp"

namespace velocity::model {
namespace {

// Watches the parser's events for what the library itself lets pass.
class Watch {
 public:
  bool operator()(int /*depth*/, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        keys_.emplace_back();
        if (static_cast<int>(keys_.size()) > kMaxJsonDepth)
          throw Error(ErrorCode::request_malformed, "The JSON is nested deeper than 32 levels");
        break;
      case Json::parse_event_t::key:
        if (!keys_.back().insert(parsed.get_ref<const std::string&>()).second)
          throw Error(ErrorCode::request_malformed, "The JSON has the key \"" + parsed.get_ref<const std::string&>() + "\" twice in one object");
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        keys_.pop_back();
        break;
      case Json::parse_event_t::value:
        break;
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Json parse_json(std::string_view text) {
  Watch watch;
  try {
    return Json::parse(text, [&watch](int depth, Json::parse_event_t event, Json& parsed) { return watch(depth, event, parsed); });
  } catch (const Json::parse_error& error) {
    throw Error(ErrorCode::request_malformed, "The text is not valid JSON: it fails at byte " + std::to_string(error.byte), error.what());
  } catch (const Json::exception& error) {  // such as a number that no double can hold
    throw Error(ErrorCode::request_malformed, "The text is not valid JSON: it has a number out of range", error.what());
  }
}

std::string dump_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace velocity::model
