#include "server/edge/tus_metadata.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "framework/model/error.hpp"

namespace velocity::edge {
namespace {

[[noreturn]] void refuse() {
  throw model::Error(model::ErrorCode::request_malformed, "Upload-Metadata is not a list of keys and base64 values");
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string decoded(std::string_view text) {
  if (text.empty()) return {};
  const auto padding = static_cast<std::size_t>(std::count(text.begin(), text.end(), '='));
  const auto is_digit = [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/'; };
  if (text.size() % 4 != 0 || padding > 2 || !std::all_of(text.begin(), text.end() - static_cast<std::ptrdiff_t>(padding), is_digit))
    refuse();
  std::vector<unsigned char> bytes(text.size() / 4 * 3);
  const auto* input = reinterpret_cast<const unsigned char*>(text.data());
  if (EVP_DecodeBlock(bytes.data(), input, static_cast<int>(text.size())) < 0) refuse();
  return {bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(padding)};  // OpenSSL counts the padding as zero bytes
}

}  // namespace

std::map<std::string, std::string> parse_tus_metadata(std::string_view text) {
  std::map<std::string, std::string> metadata;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto pair = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    const auto space = std::min(pair.find(' '), pair.size());
    const auto key = pair.substr(0, space);
    if (key.empty() || !metadata.emplace(key, decoded(trimmed(pair.substr(space)))).second) refuse();
  }
  return metadata;
}

std::string write_tus_metadata(const std::map<std::string, std::string>& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    std::vector<unsigned char> digits(4 * ((value.size() + 2) / 3) + 1);
    const auto* input = reinterpret_cast<const unsigned char*>(value.data());
    const auto count = EVP_EncodeBlock(digits.data(), input, static_cast<int>(value.size()));
    if (!text.empty()) text += ',';
    text.append(key).append(" ").append(digits.begin(), digits.begin() + count);
  }
  return text;
}

}  // namespace velocity::edge
