// A certificate and its key, made for one test. Included by the TLS tests.
#pragma once

#include <filesystem>

namespace velocity::edge::testing {

// Self-signed for "localhost", good for an hour; PEM files certificate.pem and key.pem in a directory that goes with it.
class Certificate {
 public:
  Certificate();
  ~Certificate();
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
  std::filesystem::path certificate() const { return directory_ / "certificate.pem"; }
  std::filesystem::path key() const { return directory_ / "key.pem"; }

 private:
  std::filesystem::path directory_;
};

}  // namespace velocity::edge::testing
