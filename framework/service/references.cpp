#include "framework/service/references.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include "framework/model/error.hpp"
#include "framework/model/names.hpp"
#include "framework/service/access.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;
using model::Json;

constexpr std::size_t kHead = 4096;  // bytes: where kernels, boot loaders and images say what they are

std::string base64(const std::string& bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the terminator that it counts
  return text;
}

template <class Add>
Json describe(const Picture& picture, const References& references, Add add) {
  Json documents = Json::object();
  for (const auto& [field, id] : references) {
    const auto resource = picture.resources.find(id);
    if (!resource) throw Error(ErrorCode::resource_not_found, fmt::format("No resource {} is visible to you", id.text()));
    Json document{{"rid", id.text()}, {"type", resource->type}, {"spec", resource->spec}};
    if (resource->kind == model::ResourceKind::storage) add(document, id);
    documents[field] = std::move(document);
  }
  return documents;
}

}  // namespace

References read_references(const plugin::TypeInfo& type, Json& spec) {
  References references;
  std::vector<model::Problem> problems;
  for (const auto& [field, kind] : type.resources) {
    const auto value = spec.find(field);
    if (value == spec.end() || value->is_null()) continue;
    const auto id = value->is_string() ? model::ResourceId::parse(value->get_ref<const std::string&>()) : std::nullopt;
    if (id) {
      *value = id->text();
      references.emplace(field, *id);
    } else {
      problems.push_back({"/" + field, kind == model::ResourceKind::storage ? "must be the UUID of a disk" : "must be the UUID of a NIC"});
    }
  }
  if (!problems.empty()) throw Error(std::move(problems));
  return references;
}

void check_references(const Picture& picture, const Caller& caller, const plugin::TypeInfo& type, const References& references) {
  const Access access(picture, caller);
  for (const auto& [field, id] : references) {
    const auto resource = picture.resources.find(id);
    if (resource && access.sees(*resource) && resource->kind == type.resources.at(field)) continue;
    throw Error(ErrorCode::resource_not_found, fmt::format("No resource {} is visible to you", id.text()))
        .with("type", std::string(model::name(type.resources.at(field))))
        .with("rid", id.text());
  }
}

void require_privilege(const Caller& caller, const plugin::Type& type, const Json& spec) {
  const auto problems = type.privileged(spec);
  if (problems.empty() || caller.in(model::kPoolManagers)) return;
  std::string all;
  for (const auto& [path, message] : problems) all += fmt::format("{}{} {}", all.empty() ? "" : "; ", path, message);
  throw Error(ErrorCode::resource_denied, fmt::format("Without being in the group poolmanager: {}", all));
}

Json with_paths(const Picture& picture, const References& references, const storage::Volumes& volumes) {
  return describe(picture, references, [&](Json& document, model::ResourceId id) { document["path"] = volumes.path(id).string(); });
}

Json with_heads(const Picture& picture, const References& references, const storage::Volumes& volumes) {
  return describe(picture, references, [&](Json& document, model::ResourceId id) { document["head"] = base64(volumes.head(id, kHead)); });
}

}  // namespace velocity::service
