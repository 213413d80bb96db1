#include "tests/edge/certificate.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace velocity::edge::testing {
namespace {

template <class Write>
void write_file(const std::filesystem::path& path, Write write) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
  if (!file || !write(file.get())) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace

Certificate::Certificate() {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_pair(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> x509(X509_new(), X509_free);
  ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
  X509_set_pubkey(x509.get(), key_pair.get());
  auto* subject = X509_get_subject_name(x509.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(x509.get(), subject);
  X509_sign(x509.get(), key_pair.get(), EVP_sha256());
  write_file(certificate(), [&](std::FILE* file) { return PEM_write_X509(file, x509.get()) == 1; });
  write_file(key(),
             [&](std::FILE* file) { return PEM_write_PrivateKey(file, key_pair.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1; });
}

}  // namespace velocity::edge::testing
