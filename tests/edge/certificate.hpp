// A certificate and its key, made for one test. Included by the TLS tests.
#pragma once

#include <filesystem>

#include "tests/support/temporary_directory.hpp"

namespace velocity::edge::testing {

// Self-signed for "localhost", good for an hour; PEM files certificate.pem and key.pem in a directory that goes with it.
class Certificate {
 public:
  Certificate();
  std::filesystem::path certificate() const { return directory_ / "certificate.pem"; }
  std::filesystem::path key() const { return directory_ / "key.pem"; }

 private:
  test::TemporaryDirectory directory_;
};

}  // namespace velocity::edge::testing
