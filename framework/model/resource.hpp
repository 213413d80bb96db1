// A resource: what a machine is given. Included by the store and the services.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "framework/model/phase.hpp"
#include "framework/model/uuid.hpp"

namespace velocity::model {

enum class ResourceKind { storage, nic };

struct Resource {
  ResourceId id;
  ResourceKind kind = ResourceKind::storage;
  std::string type;      // a plugin's resource type, for example disk-image
  std::string label;     // unique in its group
  Gid group{};           // the owner
  nlohmann::json spec;   // the type's own fields, as its plugin normalised them
  std::int64_t created = 0;  // Unix seconds
  Phase phase = Phase::ready;
};

// An image on its way in: tus 1.0, https://tus.io/protocols/resumable-upload. How much has arrived is the file's size.
struct Upload {
  UploadId id;
  Uid user{};
  Gid group{};
  std::string label;
  std::string format;        // raw, qcow2 or iso
  std::int64_t length = 0;   // bytes announced
  std::int64_t created = 0;  // Unix seconds
  ResourceId resource;       // the resource that it becomes
};

}  // namespace velocity::model
