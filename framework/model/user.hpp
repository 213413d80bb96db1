// Users, groups and what an authkey stands for. Included by the store and the identity service.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "framework/model/phase.hpp"
#include "framework/model/uuid.hpp"

namespace velocity::model {

// Groups that always exist.
inline constexpr Gid kRootGroup{0};
inline constexpr Gid kUserManagers{1};
inline constexpr Gid kCatalogManagers{2};
inline constexpr Gid kPoolManagers{3};
inline constexpr Uid kRootUser{0};

struct User {
  Uid uid{};
  std::string name;
  std::string password_hash;  // libsodium's Argon2id string
  Gid own_group{};            // removed with the user
  std::set<Gid> groups;       // all that the user is in, its own included
};

struct Group {
  Gid gid{};
  std::string name;
  Phase phase = Phase::ready;
};

// Only a hash of an authkey is ever kept: the key itself has 256 random bits, so the hash needs no salt.
using AuthkeyHash = std::array<std::uint8_t, 32>;


// What was answered to a request that may come again: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
struct Reply {
  Uid uid{};
  std::string key;                            // the client's Idempotency-Key
  std::array<std::uint8_t, 32> request{};     // hash of the method, the path and the body
  int status = 0;
  std::string body;
  std::int64_t created = 0;  // Unix seconds
};

struct Authkey {
  AuthkeyHash hash{};
  Uid uid{};
  std::int64_t expires = 0;  // Unix seconds
};

}  // namespace velocity::model
