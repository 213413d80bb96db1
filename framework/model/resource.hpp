// A resource: what a machine is given. Included by the store and the services.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "framework/model/phase.hpp"
#include "framework/model/quota.hpp"
#include "framework/model/uuid.hpp"

namespace velocity::model {

inline constexpr char kDefaultPool[] = "default";

enum class ResourceKind { storage, nic };

// What a share lets another group do: give it to machines; or also alter, share and remove it, as the owning group may.
enum class ResourceRight { use, manage };

struct Resource {
  ResourceId id;
  ResourceKind kind = ResourceKind::storage;
  std::string type;      // a plugin's resource type, for example disk-image
  std::string label;     // unique in its group
  Gid group{};           // the owner
  nlohmann::json spec;   // the type's own fields, as its plugin normalised them
  std::int64_t created = 0;  // Unix seconds
  Phase phase = Phase::ready;
  Amounts cost{};  // what it takes of its group's quota
  std::map<Gid, ResourceRight> shares = {};
  std::optional<ResourceId> base = {};  // the volume that this one is an overlay of; it is not removed before
  std::string pool = kDefaultPool;
  std::string found = {};    // what the host calls it, when it was found there and not made; empty otherwise
  nlohmann::json altering = nullptr;  // the journal: what an alteration under way will make of the spec; null when there is none
};

// A place for volumes. The default one is in the state directory and has no row.
struct Pool {
  std::string name;
  nlohmann::json spec = nlohmann::json::object();  // {"type": "dir", "path": …}
  std::int64_t created = 0;                        // Unix seconds
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
