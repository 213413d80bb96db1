#include "server/edge/byte_range.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "framework/model/error.hpp"

namespace velocity::edge {
namespace {

// Digits only; a number that is too large is the largest.
std::optional<std::int64_t> find_number(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  std::int64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return INT64_MAX;
  return value;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<ByteRange> find_range(std::string_view range, std::int64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (range.substr(0, kUnit.size()) != kUnit) return std::nullopt;
  const auto spec = trimmed(range.substr(kUnit.size()));
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = find_number(spec.substr(0, dash));
  const auto last = find_number(spec.substr(dash + 1));
  const bool suffix = dash == 0;
  if (suffix ? !last : !first || (dash + 1 < spec.size() && !last) || (last && *last < *first)) return std::nullopt;
  if (suffix ? *last == 0 || size == 0 : *first >= size)
    throw model::Error(model::ErrorCode::request_range, fmt::format("The image has {} bytes: the range lies behind its end", size));
  if (suffix) return ByteRange{size - std::min(*last, size), std::min(*last, size)};
  const auto end = last ? std::min(*last, size - 1) : size - 1;
  return ByteRange{*first, end - *first + 1};
}

}  // namespace velocity::edge
