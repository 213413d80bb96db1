// Images on their way out. Included by the edge, which sends their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "framework/service/caller.hpp"
#include "framework/service/inventory.hpp"
#include "framework/storage/reading.hpp"
#include "framework/storage/volumes.hpp"

namespace velocity::service {

// One image, open. read() may block on the disk; it never waits for anything else.
class Content {
 public:
  Content(const Inventory& inventory, std::shared_ptr<const model::Resource> resource, storage::Reading reading);

  const model::Resource& resource() const { return *resource_; }
  std::int64_t size() const { return reading_.size(); }
  std::string tag() const;  // another one whenever the bytes may be others
  // Fewer bytes than asked for only at the end. resource_in_use once a machine may write to the image: what was read so far is worth nothing.
  std::size_t read(std::int64_t offset, std::span<std::byte> bytes) const;

 private:
  const Inventory& inventory_;
  std::shared_ptr<const model::Resource> resource_;
  storage::Reading reading_;
};

// Thread-safe.
class Contents {
 public:
  Contents(const Inventory& inventory, const storage::Volumes& volumes) : inventory_(inventory), volumes_(volumes) {}

  // resource_not_found, request_invalid for what is no image, resource_in_use with `vmid`, resource_linked. Blocks on the disk.
  std::unique_ptr<Content> open(const Caller& caller, model::ResourceId id) const;

 private:
  const Inventory& inventory_;
  const storage::Volumes& volumes_;
};

}  // namespace velocity::service
