// A UUID and the strong identifiers made of it. Included by everything; knows nothing.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace velocity::model {

// RFC 9562 UUID as a value of 16 bytes. The zero value stands for "none".
class Uuid {
 public:
  Uuid() = default;
  static Uuid random();                                     // version 4, from the kernel's generator
  static std::optional<Uuid> parse(std::string_view text);  // exactly the 36-character form, either case

  std::string text() const;  // lower case
  std::size_t hash() const noexcept;
  auto operator<=>(const Uuid&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

// A Uuid that cannot be taken for another kind of Uuid.
template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(Uuid uuid) : uuid_(uuid) {}
  static Id random() { return Id(Uuid::random()); }
  static std::optional<Id> parse(std::string_view text) {
    const auto uuid = Uuid::parse(text);
    return uuid ? std::optional<Id>(Id(*uuid)) : std::nullopt;
  }

  const Uuid& uuid() const { return uuid_; }
  std::string text() const { return uuid_.text(); }
  std::size_t hash() const noexcept { return uuid_.hash(); }
  auto operator<=>(const Id&) const = default;

 private:
  Uuid uuid_;
};

using CatalogId = Id<struct CatalogTag>;    // CID
using MachineId = Id<struct MachineTag>;    // VMID, and the libvirt domain's UUID
using ResourceId = Id<struct ResourceTag>;  // RID; a STID or NICID by the resource's kind
using UploadId = Id<struct UploadTag>;
using SnapshotId = Id<struct SnapshotTag>;

// Users and groups are numbered, as the seed has it.
enum class Uid : std::int64_t {};
enum class Gid : std::int64_t {};
constexpr std::int64_t number(Uid uid) { return static_cast<std::int64_t>(uid); }
constexpr std::int64_t number(Gid gid) { return static_cast<std::int64_t>(gid); }

}  // namespace velocity::model

template <>
struct std::hash<velocity::model::Uuid> {
  std::size_t operator()(const velocity::model::Uuid& uuid) const noexcept { return uuid.hash(); }
};
template <class Tag>
struct std::hash<velocity::model::Id<Tag>> {
  std::size_t operator()(const velocity::model::Id<Tag>& id) const noexcept { return id.hash(); }
};
