// Reads what must be known of a plugin file before it may be loaded: bounds, manifest, link options. Included by candidate.cpp.
// Looks at program headers only, so a stripped file tells as much, and at nothing that it has not found to lie within the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "framework/plugin/refusal.hpp"

namespace velocity::plugin {

struct ElfFacts {
  std::optional<std::string> manifest;  // the note's description, not looked into
  bool resident = false;                // linked with -z nodelete: never unloaded
  bool executable_stack = true;         // what the loader assumes when the file does not say
};

// How much of a file its segments take, counted from its start, in whole pages as they are mapped: what the dynamic loader and read_elf() want to
// see. Symbols and debug information stand behind that, and can be the larger part. `head` is the file's beginning, kElfHead of it if it is as long; what does not
// begin as an ELF file takes nothing, and one with its program headers elsewhere all there is.
inline constexpr std::size_t kElfHead = 4096;
std::uint64_t extent_of(std::span<const std::byte> head);

// Returns why the bytes are no shared object for this machine that the dynamic loader can map without dying of it; fills `facts`.
std::optional<Refusal> read_elf(std::span<const std::byte> file, ElfFacts& facts);

}  // namespace velocity::plugin
