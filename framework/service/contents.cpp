#include "framework/service/contents.hpp"

#include <fmt/format.h>

#include "framework/model/error.hpp"
#include "framework/service/access.hpp"
#include "framework/service/volume_use.hpp"

namespace velocity::service {

using model::Error;
using model::ErrorCode;

Content::Content(const Inventory& inventory, std::shared_ptr<const model::Resource> resource, storage::Reading reading)
    : inventory_(inventory), resource_(std::move(resource)), reading_(std::move(reading)) {}

std::string Content::tag() const { return fmt::format("{}-{:x}-{:x}", resource_->id.text(), reading_.modified(), reading_.size()); }

std::size_t Content::read(std::int64_t offset, std::span<std::byte> bytes) const {
  const auto count = reading_.read(offset, bytes);
  require_quiet(*inventory_.picture(), *resource_);
  return count;
}

std::unique_ptr<Content> Contents::open(const Caller& caller, model::ResourceId id) const {
  const auto picture = inventory_.picture();
  const auto resource = Access(*picture, caller).resource(id).pointer();
  if (resource->kind != model::ResourceKind::storage) throw Error(std::vector<model::Problem>{{"/rid", "must be a disk image: nothing else has bytes to send"}});
  if (resource->base)
    throw Error(ErrorCode::resource_linked, "It is a linked clone, which holds only what differs from its source. Clone it in full, and download that");
  require_quiet(*picture, *resource);
  return std::make_unique<Content>(inventory_, resource, volumes_.read(id));
}

}  // namespace velocity::service
