// Knows the image formats that we do not take by their marks, so that none passes as raw and its owner is told what it is.
// Included by the inspector only.
#pragma once

#include <optional>
#include <string_view>

#include "framework/storage/bytes.hpp"

namespace velocity::storage {

struct ForeignFormat {
  std::string_view title;   // for people
  std::string_view driver;  // what qemu-img calls it; empty where qemu-img cannot read it
  bool encrypted = false;
};

inline constexpr std::size_t kTailBytes = 512;

// `header`: the first bytes of the image; `tail`: its last kTailBytes (or all of it, when shorter). qcow2 is not foreign.
std::optional<ForeignFormat> find_foreign_format(Bytes header, Bytes tail);

}  // namespace velocity::storage
