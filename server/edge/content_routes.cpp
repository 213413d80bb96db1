#include "server/edge/content_routes.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "framework/model/error.hpp"
#include "framework/model/field_reader.hpp"
#include "framework/service/services.hpp"
#include "server/edge/access_log.hpp"
#include "server/edge/body_source.hpp"
#include "server/edge/byte_range.hpp"
#include "server/fields.hpp"

namespace velocity::edge {
namespace {

using model::Error;
using model::ErrorCode;

constexpr char kMethods[] = "GET, HEAD, OPTIONS";
constexpr std::size_t kBlock = 256 * 1024;  // as much memory as one download takes

struct Wanted {
  service::Caller caller;
  model::ResourceId id;
};

// As the guard reads every other request: who is asking comes before what is wrong with the question.
Wanted wanted(const Request& request, const std::string& body, const service::Sessions& sessions) {
  const auto query = server::read_form(std::string_view(request.query).substr(request.query.empty() ? 0 : 1));
  server::refuse_authkey_in_query(query);
  auto fields = server::read_body(body, request.field(http::field::content_type));
  const auto authkey = server::take_authkey(fields, request.field(http::field::authorization));
  auto caller = sessions.caller(authkey);
  server::merge_query(fields, query);
  model::FieldReader reader(fields);
  const auto* field = reader.has("stid") && !reader.has("rid") ? "stid" : "rid";
  const auto id = reader.require(field, reader.id<model::ResourceId>(field));
  reader.finish();
  return {std::move(caller), id};
}

const char* content_type(std::string_view format) {
  if (format == "qcow2") return "application/x-qemu-disk";
  if (format == "iso") return "application/x-iso9660-image";
  return "application/octet-stream";
}

// RFC 6266: a name that every client can read, and the label itself for those that can.
std::string disposition(const std::string& label, std::string_view format) {
  constexpr std::string_view kPlain = "-._ ";
  std::string ascii, encoded;
  for (const char c : label) {
    const bool letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool plain = letter || kPlain.find(c) != std::string_view::npos;
    ascii += plain ? c : '_';
    if (letter || c == '-' || c == '.' || c == '_') encoded += c;
    else encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  const auto ending = format == "iso" ? "iso" : format == "qcow2" ? "qcow2" : "img";
  return fmt::format("attachment; filename=\"{}.{}\"; filename*=UTF-8''{}.{}", ascii, ending, encoded, ending);
}

}  // namespace

// One block at a time: the next is read when the client has taken the last, so a slow reader holds a block of memory and no thread.
class ContentRoutes::Download final : public BodySource {
 public:
  Download(ContentRoutes& routes, std::unique_ptr<service::Content> content, std::string request_id)
      : routes_(routes), sending_(routes.sending_), content_(std::move(content)), request_id_(std::move(request_id)), range_{0, content_->size()} {
    ++*sending_;
  }
  ~Download() override { --*sending_; }

  const service::Content& content() const { return *content_; }
  void narrow(ByteRange range) { range_ = range; }
  std::uint64_t length() const override { return static_cast<std::uint64_t>(range_.count); }

  awaitable<std::string_view> next() override {
    const auto size = static_cast<std::size_t>(std::min<std::int64_t>(kBlock, range_.count - sent_));
    block_.resize(size);
    std::size_t count = 0;
    try {
      count = co_await offload(routes_.io_, routes_.disk_, [&] { return content_->read(range_.first + sent_, block_); });
    } catch (const Error& error) {
      spdlog::warn("request {}: the download of {} was broken off: {}", request_id_, content_->resource().id.text(), error.message());
    }
    if (count < size) count = 0;  // the file has become shorter
    sent_ += static_cast<std::int64_t>(count);
    co_return std::string_view(reinterpret_cast<const char*>(block_.data()), count);
  }

 private:
  ContentRoutes& routes_;
  std::shared_ptr<std::size_t> sending_;
  std::unique_ptr<service::Content> content_;
  std::string request_id_;
  ByteRange range_;
  std::int64_t sent_ = 0;
  std::vector<std::byte> block_;
};

ContentRoutes::ContentRoutes(net::io_context& io, const EdgeSettings& settings, service::Services& services)
    : io_(io), settings_(settings), services_(services) {}

ContentRoutes::~ContentRoutes() { disk_.join(); }

awaitable<Answer> ContentRoutes::answer(const Request& request, IncomingBody& body) {
  Answer answer;
  try {
    answer = co_await serve(request, body);
  } catch (const Error& error) {
    answer = problem_answer(error, request.id);
    log_refusal(error, request.id, answer.status);
  }
  co_return answer;
}

awaitable<Answer> ContentRoutes::serve(const Request& request, IncomingBody& body) {
  if (request.method == http::verb::options) co_return preflight_answer(request);
  const auto text = co_await body.read_all(settings_.limits.body);
  if (request.method != http::verb::get && request.method != http::verb::head) {
    auto refusal = problem_answer(Error(ErrorCode::request_method_not_allowed, fmt::format("This path offers {}", kMethods)), request.id);
    refusal.set("Allow", kMethods);
    co_return refusal;
  }
  const auto asked = wanted(request, text, services_.sessions);
  if (*sending_ >= settings_.limits.downloads) throw Error(ErrorCode::server_busy, "Too many images are on their way out");
  auto content = co_await offload(io_, disk_, [&] { return services_.contents.open(asked.caller, asked.id); });
  const auto size = content->size();
  const auto tag = fmt::format("\"{}\"", content->tag());
  const auto& resource = content->resource();
  const auto format = resource.spec.value("format", "raw");
  Answer answer;
  answer.set("ETag", tag);
  answer.set("Accept-Ranges", "bytes");
  if (request.field(http::field::if_none_match) == tag) {
    answer.status = 304;
    co_return answer;
  }
  answer.set("Content-Type", content_type(format));
  answer.set("Content-Disposition", disposition(resource.label, format));
  auto download = std::make_shared<Download>(*this, std::move(content), request.id);
  const auto condition = request.field(http::field::if_range);
  if (request.method == http::verb::get && (condition.empty() || condition == tag)) {
    try {
      if (const auto range = find_range(request.field(http::field::range), size)) {
        download->narrow(*range);
        answer.status = 206;
        answer.set("Content-Range", fmt::format("bytes {}-{}/{}", range->first, range->first + range->count - 1, size));
      }
    } catch (const Error& error) {
      auto refusal = problem_answer(error, request.id);
      refusal.set("Content-Range", fmt::format("bytes */{}", size));
      co_return refusal;
    }
  }
  answer.source = std::move(download);
  co_return answer;
}

}  // namespace velocity::edge
