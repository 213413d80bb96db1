// The checksum that a client sends with a piece of an upload (tus, extension "checksum"). Included by the upload routes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's

namespace velocity::edge {

inline constexpr const char* kDigestAlgorithms = "sha1,sha256,md5";  // as tus spells them

// Not thread-safe; may be made on one thread and used on another.
class Digest {
 public:
  // `field`: "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=". Throws Error(request_malformed).
  explicit Digest(std::string_view field);
  void update(std::span<const std::byte> bytes);
  bool matches();  // once, after the last byte

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
  std::string expected_;
};

}  // namespace velocity::edge
