// The seven permissions of a catalog and a set of them. Included by what grants or checks one.
#pragma once

#include <cstdint>

namespace velocity::model {

enum class Permission : std::uint8_t { manage, view, create, alter, remove, state, interact };
inline constexpr int kPermissionCount = 7;

// A set of permissions, as a value.
class Permissions {
 public:
  constexpr Permissions() = default;
  constexpr explicit Permissions(std::uint8_t bits) : bits_(bits & 0x7f) {}
  static constexpr Permissions all() { return Permissions(0x7f); }

  constexpr bool has(Permission p) const { return (bits_ & bit(p)) != 0; }
  constexpr bool any() const { return bits_ != 0; }
  constexpr bool includes(Permissions other) const { return (other.bits_ & ~bits_) == 0; }
  constexpr void set(Permission p, bool on) {
    bits_ = static_cast<std::uint8_t>(on ? bits_ | bit(p) : bits_ & ~bit(p));
  }
  constexpr std::uint8_t bits() const { return bits_; }
  constexpr Permissions operator|(Permissions other) const { return Permissions(bits_ | other.bits_); }
  constexpr bool operator==(const Permissions&) const = default;

 private:
  static constexpr std::uint8_t bit(Permission p) { return static_cast<std::uint8_t>(1U << static_cast<int>(p)); }
  std::uint8_t bits_ = 0;
};

}  // namespace velocity::model
