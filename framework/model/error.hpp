// The one exception type, its closed list of codes, and problems found in input. Included by everything that can refuse.
// Codes know no protocol: server/problem.cpp says which HTTP status each becomes.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace velocity::model {

// X(enumerator, spelling on the wire)
#define VELOCITY_ERROR_CODES(X)                                  \
  X(request_malformed, "request.malformed")                      \
  X(request_invalid, "request.invalid")                          \
  X(request_too_large, "request.too_large")                      \
  X(request_header_too_large, "request.header_too_large")        \
  X(request_target_too_long, "request.target_too_long")          \
  X(request_timeout, "request.timeout")                          \
  X(request_not_understood, "request.not_understood")            \
  X(request_method_not_allowed, "request.method_not_allowed")    \
  X(request_unknown_path, "request.unknown_path")                \
  X(request_foreign_origin, "request.foreign_origin")            \
  X(request_wrong_host, "request.wrong_host")                    \
  X(request_too_many, "request.too_many")                        \
  X(request_expectation, "request.expectation")                  \
  X(request_not_implemented, "request.not_implemented")          \
  X(request_version, "request.version")                          \
  X(request_key_reused, "request.key_reused")                    \
  X(request_in_progress, "request.in_progress")                  \
  X(auth_required, "auth.required")                              \
  X(auth_expired, "auth.expired")                                \
  X(auth_failed, "auth.failed")                                  \
  X(auth_refused, "auth.refused")                                \
  X(auth_too_many, "auth.too_many")                              \
  X(user_denied, "user.denied")                                  \
  X(user_not_found, "user.not_found")                            \
  X(user_name_taken, "user.name_taken")                          \
  X(group_denied, "group.denied")                                \
  X(group_not_found, "group.not_found")                          \
  X(group_name_taken, "group.name_taken")                        \
  X(group_protected, "group.protected")                          \
  X(catalog_denied, "catalog.denied")                            \
  X(catalog_not_found, "catalog.not_found")                      \
  X(share_not_found, "share.not_found")                          \
  X(resource_denied, "resource.denied")                          \
  X(resource_not_found, "resource.not_found")                    \
  X(resource_label_taken, "resource.label_taken")                \
  X(resource_in_use, "resource.in_use")                          \
  X(resource_gone, "resource.gone")                              \
  X(resource_linked, "resource.linked")                          \
  X(pool_denied, "pool.denied")                                  \
  X(pool_not_found, "pool.not_found")                            \
  X(pool_name_taken, "pool.name_taken")                          \
  X(pool_in_use, "pool.in_use")                                  \
  X(resource_found, "resource.found")                            \
  X(quota_denied, "quota.denied")                                \
  X(quota_exceeded, "quota.exceeded")                            \
  X(machine_denied, "machine.denied")                            \
  X(machine_not_found, "machine.not_found")                      \
  X(machine_name_taken, "machine.name_taken")                    \
  X(machine_state_impossible, "machine.state_impossible")        \
  X(machine_busy, "machine.busy")                                \
  X(machine_running, "machine.running")                          \
  X(machine_not_running, "machine.not_running")                  \
  X(machine_boot_disk, "machine.boot_disk")                      \
  X(display_not_found, "display.not_found")                      \
  X(snapshot_not_found, "snapshot.not_found")                    \
  X(snapshot_name_taken, "snapshot.name_taken")                  \
  X(snapshot_impossible, "snapshot.impossible")                  \
  X(machine_hypervisor_failed, "machine.hypervisor_failed")      \
  X(type_not_found, "type.not_found")                            \
  X(type_unavailable, "type.unavailable")                        \
  X(upload_not_found, "upload.not_found")                        \
  X(upload_offset_mismatch, "upload.offset_mismatch")            \
  X(upload_busy, "upload.busy")                                  \
  X(upload_version, "upload.version")                            \
  X(upload_checksum, "upload.checksum")                          \
  X(request_range, "request.range")                              \
  X(image_format_mismatch, "image.format_mismatch")              \
  X(image_backing_file, "image.backing_file")                    \
  X(image_data_file, "image.data_file")                          \
  X(image_encrypted, "image.encrypted")                          \
  X(image_unsupported, "image.unsupported")                      \
  X(image_corrupt, "image.corrupt")                              \
  X(image_truncated, "image.truncated")                          \
  X(storage_full, "storage.full")                                \
  X(storage_failed, "storage.failed")                            \
  X(hypervisor_unavailable, "hypervisor.unavailable")            \
  X(hypervisor_timeout, "hypervisor.timeout")                    \
  X(hypervisor_refused, "hypervisor.refused")                    \
  X(hypervisor_not_found, "hypervisor.not_found")                \
  X(hypervisor_wrong_state, "hypervisor.wrong_state")            \
  X(hypervisor_failed, "hypervisor.failed")                      \
  X(network_failed, "network.failed")                            \
  X(network_port_taken, "network.port_taken")                    \
  X(plugin_failed, "plugin.failed")                              \
  X(server_busy, "server.busy")                                  \
  X(server_timeout, "server.timeout")                            \
  X(server_internal, "server.internal")

enum class ErrorCode {
#define VELOCITY_ENUMERATOR(code, text) code,
  VELOCITY_ERROR_CODES(VELOCITY_ENUMERATOR)
#undef VELOCITY_ENUMERATOR
};

std::span<const ErrorCode> all_error_codes();
std::string_view name(ErrorCode code);

// What is wrong with one field of the input. `path` is a JSON pointer (RFC 6901) into the request's body.
struct Problem {
  std::string path;
  std::string message;
  bool operator==(const Problem&) const = default;
};

// Thrown by every layer. `message` may reach a client, `detail` only the log. `members` are further public members of the answer,
// such as the colliding machine's `vmid`.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string message, std::string detail = {});
  explicit Error(std::vector<Problem> problems);  // request_invalid

  Error&& with(std::string member, std::string value) &&;

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& detail() const { return detail_; }
  const std::vector<Problem>& problems() const { return problems_; }
  const std::vector<std::pair<std::string, std::string>>& members() const { return members_; }

 private:
  ErrorCode code_;
  std::string message_;
  std::string detail_;
  std::vector<Problem> problems_;
  std::vector<std::pair<std::string, std::string>> members_;
};

}  // namespace velocity::model
