#include "framework/libvirt/errors.hpp"

#include <fmt/format.h>
#include <libvirt/virterror.h>

#include <string>
#include <utility>

namespace velocity::libvirt {

using model::Error;
using model::ErrorCode;

namespace {

// Everything that is not here is hypervisor_failed.
constexpr std::pair<int, ErrorCode> kCodes[] = {
    {VIR_ERR_NO_DOMAIN, ErrorCode::hypervisor_not_found},
    {VIR_ERR_OPERATION_INVALID, ErrorCode::hypervisor_wrong_state},
    {VIR_ERR_RESOURCE_BUSY, ErrorCode::hypervisor_wrong_state},
    {VIR_ERR_XML_ERROR, ErrorCode::hypervisor_refused},
    {VIR_ERR_XML_DETAIL, ErrorCode::hypervisor_refused},
    {VIR_ERR_XML_INVALID_SCHEMA, ErrorCode::hypervisor_refused},
    {VIR_ERR_CONFIG_UNSUPPORTED, ErrorCode::hypervisor_refused},
    {VIR_ERR_INVALID_ARG, ErrorCode::hypervisor_refused},
    {VIR_ERR_INVALID_DOMAIN_CHECKPOINT, ErrorCode::hypervisor_refused},
    {VIR_ERR_ARGUMENT_UNSUPPORTED, ErrorCode::hypervisor_refused},
    {VIR_ERR_OPERATION_UNSUPPORTED, ErrorCode::hypervisor_refused},
    {VIR_ERR_NO_SUPPORT, ErrorCode::hypervisor_refused},
    {VIR_ERR_DOM_EXIST, ErrorCode::hypervisor_refused},
    {VIR_ERR_OS_TYPE, ErrorCode::hypervisor_refused},
    {VIR_ERR_OPERATION_TIMEOUT, ErrorCode::hypervisor_timeout},
    {VIR_ERR_AGENT_UNRESPONSIVE, ErrorCode::hypervisor_timeout},
    {VIR_ERR_NO_CONNECT, ErrorCode::hypervisor_unavailable},
    {VIR_ERR_INVALID_CONN, ErrorCode::hypervisor_unavailable},
    {VIR_ERR_RPC, ErrorCode::hypervisor_unavailable},
    {VIR_ERR_GNUTLS_ERROR, ErrorCode::hypervisor_unavailable},
    {VIR_ERR_AUTH_FAILED, ErrorCode::hypervisor_unavailable},
    {VIR_ERR_AUTH_CANCELLED, ErrorCode::hypervisor_unavailable},
    {VIR_ERR_AUTH_UNAVAILABLE, ErrorCode::hypervisor_unavailable},
    {VIR_ERR_SSH, ErrorCode::hypervisor_unavailable},
    {VIR_ERR_LIBSSH, ErrorCode::hypervisor_unavailable},
};

// The messages may reach a client, so libvirt's own text is not in them.
std::string_view message(ErrorCode code) {
  switch (code) {
    case ErrorCode::hypervisor_not_found: return "The hypervisor has no such machine";
    case ErrorCode::hypervisor_wrong_state: return "The machine's state does not allow this";
    case ErrorCode::hypervisor_refused: return "The hypervisor does not accept this machine";
    case ErrorCode::hypervisor_timeout: return "The hypervisor did not answer in time";
    case ErrorCode::hypervisor_unavailable: return "The hypervisor is not available";
    default: return "The hypervisor failed";
  }
}

}  // namespace

ErrorCode error_code(int number, int domain) {
  for (const auto& [known, code] : kCodes)
    if (known == number) return code;
  // "client socket is closed" and a refused connection come as internal or system errors of the transport.
  const bool transport = domain == VIR_FROM_RPC || domain == VIR_FROM_REMOTE || domain == VIR_FROM_NET;
  if (transport && (number == VIR_ERR_INTERNAL_ERROR || number == VIR_ERR_SYSTEM_ERROR)) return ErrorCode::hypervisor_unavailable;
  return ErrorCode::hypervisor_failed;
}

Error last_error(std::string_view call) {
  const virErrorPtr error = virGetLastError();
  if (error == nullptr || error->code == VIR_ERR_OK)
    return {ErrorCode::hypervisor_failed, std::string(message(ErrorCode::hypervisor_failed)), fmt::format("{}: no cause given", call)};
  const ErrorCode code = error_code(error->code, error->domain);
  std::string detail =
      fmt::format("{}: {} (error {} of {})", call, error->message != nullptr ? error->message : "", error->code, error->domain);
  virResetLastError();
  return {code, std::string(message(code)), std::move(detail)};
}

}  // namespace velocity::libvirt
