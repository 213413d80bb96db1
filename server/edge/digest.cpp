#include "server/edge/digest.hpp"

#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "framework/model/error.hpp"

namespace velocity::edge {
namespace {

using model::Error;
using model::ErrorCode;

const EVP_MD* find_algorithm(std::string_view name) {
  if (name == "sha1") return EVP_sha1();
  if (name == "sha256") return EVP_sha256();
  if (name == "md5") return EVP_md5();
  return nullptr;
}

// What base64 of `size` bytes says; empty when it says something else.
std::string decoded(std::string_view text, std::size_t size) {
  std::array<unsigned char, 96> bytes{};
  if (text.size() != (size + 2) / 3 * 4 || text.size() > bytes.size()) return {};
  const auto count = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (count < static_cast<int>(size)) return {};
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

}  // namespace

void Digest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Digest::Digest(std::string_view field) : context_(EVP_MD_CTX_new()) {
  const auto space = field.find(' ');
  const auto* algorithm = find_algorithm(field.substr(0, space));
  if (!algorithm) throw Error(ErrorCode::request_malformed, fmt::format("Upload-Checksum must begin with one of {}", kDigestAlgorithms));
  const auto size = static_cast<std::size_t>(EVP_MD_get_size(algorithm));
  if (space != std::string_view::npos) expected_ = decoded(field.substr(space + 1), size);
  if (expected_.empty()) throw Error(ErrorCode::request_malformed, fmt::format("Upload-Checksum must have {} bytes in base64 behind its name", size));
  if (!context_ || EVP_DigestInit_ex(context_.get(), algorithm, nullptr) != 1) throw Error(ErrorCode::server_internal, "The checksum cannot be computed");
}

void Digest::update(std::span<const std::byte> bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

bool Digest::matches() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  return EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) == 1 && std::string_view(reinterpret_cast<const char*>(bytes.data()), size) == expected_;
}

}  // namespace velocity::edge
