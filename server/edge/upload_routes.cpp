#include "server/edge/upload_routes.hpp"

#include <fmt/format.h>

#include <charconv>
#include <ctime>
#include <limits>
#include <optional>

#include "framework/model/error.hpp"
#include "framework/service/services.hpp"
#include "server/edge/access_log.hpp"
#include "server/edge/tus_metadata.hpp"
#include "server/edge/upload_reception.hpp"

namespace velocity::edge {
namespace {

using model::Error;
using model::ErrorCode;

constexpr std::string_view kRoot = "/r/upload";
constexpr char kVersion[] = "1.0.0";
constexpr char kPatchType[] = "application/offset+octet-stream";

// A count of bytes in a header: digits only.
std::int64_t get_count(const Request& request, std::string_view name) {
  const auto text = request.field(name);
  std::int64_t value = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    throw Error(ErrorCode::request_malformed, fmt::format("{} must be a number of bytes", name));
  return value;
}

std::string_view authkey(const Request& request) {
  constexpr std::string_view kScheme = "bearer ";
  auto text = request.field(http::field::authorization);
  if (text.size() < kScheme.size() || !beast::iequals({text.data(), kScheme.size()}, {kScheme.data(), kScheme.size()})) return {};
  text.remove_prefix(kScheme.size());
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

model::UploadId get_id(const Request& request) {
  const auto id = model::UploadId::parse(std::string_view(request.path).substr(std::min(kRoot.size() + 1, request.path.size())));
  if (!id) throw Error(ErrorCode::upload_not_found, "There is no such upload");
  return *id;
}

service::UploadRequest wanted(const Request& request) {
  auto metadata = parse_tus_metadata(request.field("Upload-Metadata"));
  std::vector<model::Problem> problems;
  for (const auto* key : {"group", "label", "format"})
    if (metadata.count(key) == 0) problems.push_back({fmt::format("/{}", key), "Upload-Metadata must have it"});
  const auto& group = metadata["group"];
  std::int64_t gid = -1;
  const auto parsed = std::from_chars(group.data(), group.data() + group.size(), gid);
  if (problems.empty() && (parsed.ec != std::errc() || parsed.ptr != group.data() + group.size() || gid < 0))
    problems.push_back({"/group", "must be the number of a group"});
  if (!problems.empty()) throw Error(std::move(problems));
  return {model::Gid{gid}, metadata["label"], metadata["format"], get_count(request, "Upload-Length")};
}

// What is asked for; tus lets clients that can only POST say otherwise.
http::verb method_of(const Request& request) {
  const auto override_name = (*request.fields)["X-HTTP-Method-Override"];
  return request.method == http::verb::post && !override_name.empty() ? http::string_to_verb(override_name) : request.method;
}

void require_bytes(const Request& request) {
  if (!beast::iequals((*request.fields)[http::field::content_type], kPatchType))
    throw Error(ErrorCode::request_not_understood, fmt::format("The Content-Type must be {}", kPatchType));
}

Answer method_not_allowed(const Request& request, const char* allowed) {
  auto answer = problem_answer(Error(ErrorCode::request_method_not_allowed, "An upload does not know this method"), request.id);
  answer.set("Allow", allowed);
  return answer;
}

}  // namespace

bool UploadRoutes::serves(std::string_view path) {
  return path.substr(0, kRoot.size()) == kRoot && (path.size() == kRoot.size() || path[kRoot.size()] == '/');
}

UploadRoutes::UploadRoutes(net::io_context& io, const EdgeSettings& settings, service::Services& services)
    : io_(io), settings_(settings), services_(services) {}

UploadRoutes::~UploadRoutes() {
  disk_.join();
  finishing_.join();
}

awaitable<Answer> UploadRoutes::answer(const Request& request, IncomingBody& body) {
  Answer answer;
  try {
    answer = co_await dispatch(request, body);
  } catch (const Error& error) {
    answer = problem_answer(error, request.id);
    log_refusal(error, request.id, answer.status);
    if (error.code() == ErrorCode::upload_version) answer.set("Tus-Version", kVersion);
  }
  answer.set("Tus-Resumable", kVersion);
  co_return answer;
}

awaitable<Answer> UploadRoutes::dispatch(const Request& request, IncomingBody& body) {
  const auto method = method_of(request);
  if (method == http::verb::options) co_return options(request);
  if (request.field("Tus-Resumable") != kVersion)
    throw Error(ErrorCode::upload_version, "Uploads speak tus 1.0.0: the header Tus-Resumable must say so");
  const auto caller = services_.sessions.caller(authkey(request));
  if (request.path.size() == kRoot.size()) {
    if (method == http::verb::post) co_return co_await create(request, caller, body);
    co_return method_not_allowed(request, "POST, OPTIONS");
  }
  switch (method) {
    case http::verb::head: co_return co_await status(request, caller);
    case http::verb::patch: co_return co_await append(request, caller, body);
    case http::verb::delete_: co_return co_await remove(request, caller);
    default: co_return method_not_allowed(request, "HEAD, PATCH, DELETE, OPTIONS");
  }
}

Answer UploadRoutes::options(const Request& request) const {
  Answer answer = preflight_answer(request);
  answer.set("Tus-Version", kVersion);
  answer.set("Tus-Extension", "creation,creation-with-upload,checksum,expiration,termination");
  answer.set("Tus-Checksum-Algorithm", kDigestAlgorithms);
  answer.set("Tus-Max-Size", std::to_string(settings_.limits.upload));
  return answer;
}

awaitable<Answer> UploadRoutes::create(const Request& request, const service::Caller& caller, IncomingBody& body) {
  const auto upload_request = wanted(request);
  if (upload_request.length > settings_.limits.upload)
    throw Error(ErrorCode::request_too_large, fmt::format("An image may have {} bytes at most", settings_.limits.upload));
  const bool with_bytes = !body.complete();
  if (with_bytes) require_bytes(request);
  const auto upload = co_await offload(io_, disk_, [&] { return services_.uploads.create(caller, upload_request); });
  Answer answer;
  answer.status = 201;
  if (!with_bytes) answer.set("Upload-Expires", date_text(upload.created + service::Uploads::kPatience.count()));
  answer.set("Location", fmt::format("{}/{}", kRoot, upload.id.text()));
  answer.set("Velocity-Resource", upload.resource.text());  // what it will be: a client that loses the last answer finds it there
  if (!with_bytes) co_return answer;
  std::exception_ptr failure;
  try {
    co_await receive(request, caller, upload.id, 0, body, answer);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return answer;
  // The client is told of no place to go on at, so nothing is left behind.
  co_await offload(io_, disk_, [&] { services_.uploads.forget(caller, upload.id); });
  std::rethrow_exception(failure);
}

awaitable<Answer> UploadRoutes::status(const Request& request, const service::Caller& caller) {
  const auto id = get_id(request);
  const auto status = co_await offload(io_, disk_, [&] { return services_.uploads.status(caller, id); });
  Answer answer;
  answer.set("Upload-Offset", std::to_string(status.offset));
  answer.set("Upload-Length", std::to_string(status.upload.length));
  answer.set("Upload-Metadata", write_tus_metadata({{"group", std::to_string(model::number(status.upload.group))},
                                                 {"label", status.upload.label},
                                                 {"format", status.upload.format}}));
  answer.set("Velocity-Resource", status.upload.resource.text());
  answer.set("Upload-Expires", date_text(status.expires));
  co_return answer;
}

awaitable<Answer> UploadRoutes::append(const Request& request, const service::Caller& caller, IncomingBody& body) {
  const auto id = get_id(request);
  require_bytes(request);
  const auto offset = get_count(request, "Upload-Offset");
  Answer answer;
  answer.status = 204;
  co_await receive(request, caller, id, offset, body, answer);
  co_return answer;
}

awaitable<void> UploadRoutes::receive(const Request& request, const service::Caller& caller, model::UploadId id, std::int64_t offset, IncomingBody& body,
                                      Answer& answer) {
  std::optional<Digest> digest;
  if (const auto checksum = request.field("Upload-Checksum"); !checksum.empty()) digest.emplace(checksum);
  if (receiving_ >= settings_.limits.uploads) throw Error(ErrorCode::server_busy, "Too many images are on their way in");
  ++receiving_;
  const auto count_down = [](std::size_t* count) { --*count; };
  const std::unique_ptr<std::size_t, decltype(count_down)> counted(&receiving_, count_down);

  const auto mode = digest ? service::Uploads::Mode::provisional : service::Uploads::Mode::kept;
  auto writer = co_await offload(io_, disk_, [&] { return services_.uploads.open(caller, id, offset, mode); });
  std::exception_ptr failure;
  try {
    UploadReception reception(io_, disk_, *writer, digest ? &*digest : nullptr);
    co_await reception.receive(body, request.content_length);
    if (digest) {
      if (!body.complete()) throw Error(ErrorCode::request_timeout, "The client has left before its last byte");
      if (!digest->matches()) throw Error(ErrorCode::upload_checksum, "These are not the bytes that the checksum was made of. None of them was kept: send them again");
    }
    co_await offload(io_, disk_, [&] { writer->keep(); });
    const bool complete = writer->complete();
    if (!complete) answer.set("Upload-Expires", date_text(std::time(nullptr) + service::Uploads::kPatience.count()));
    if (complete) {
      const auto resource = co_await offload(io_, finishing_, [&] { return writer->finish(); });
      if (!answer.has("Velocity-Resource")) answer.set("Velocity-Resource", resource.text());
    }
    answer.set("Upload-Offset", std::to_string(writer->offset()));
  } catch (...) {
    failure = std::current_exception();
  }
  // Closing the file may wait for the disk.
  co_await offload(io_, disk_, [&] { writer.reset(); });
  if (failure) std::rethrow_exception(failure);
}

awaitable<Answer> UploadRoutes::remove(const Request& request, const service::Caller& caller) {
  const auto id = get_id(request);
  co_await offload(io_, disk_, [&] { services_.uploads.remove(caller, id); });
  Answer answer;
  answer.status = 204;
  co_return answer;
}

}  // namespace velocity::edge
