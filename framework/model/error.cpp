#include "framework/model/error.hpp"

#include <array>

#include <fmt/format.h>

namespace velocity::model {
namespace {

constexpr std::array kCodes{
#define VELOCITY_ENUMERATOR(code, text) ErrorCode::code,
    VELOCITY_ERROR_CODES(VELOCITY_ENUMERATOR)
#undef VELOCITY_ENUMERATOR
};

constexpr std::array<std::string_view, kCodes.size()> kNames{
#define VELOCITY_NAME(code, text) text,
    VELOCITY_ERROR_CODES(VELOCITY_NAME)
#undef VELOCITY_NAME
};

std::string summary(const std::vector<Problem>& problems) {
  if (problems.empty()) return "The request is not valid";
  const auto& first = problems.front();
  const auto where = first.path.empty() ? std::string() : first.path + ": ";
  if (problems.size() == 1) return where + first.message;
  return fmt::format("{}{} (and {} more, see problems)", where, first.message, problems.size() - 1);
}

}  // namespace

std::span<const ErrorCode> all_error_codes() { return kCodes; }

std::string_view name(ErrorCode code) { return kNames.at(static_cast<std::size_t>(code)); }

Error::Error(ErrorCode code, std::string message, std::string detail)
    : std::runtime_error(detail.empty() ? message : message + " (" + detail + ")"),
      code_(code),
      message_(std::move(message)),
      detail_(std::move(detail)) {}

Error::Error(std::vector<Problem> problems) : Error(ErrorCode::request_invalid, summary(problems)) {
  problems_ = std::move(problems);
}

Error&& Error::with(std::string member, std::string value) && {
  members_.emplace_back(std::move(member), std::move(value));
  return std::move(*this);
}

}  // namespace velocity::model
