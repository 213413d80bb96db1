// One table for each enumeration that appears on the wire, read both ways. Included by what parses or prints one.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "framework/model/machine.hpp"
#include "framework/model/permission.hpp"
#include "framework/model/phase.hpp"
#include "framework/model/resource.hpp"

namespace velocity::model {

template <class E>
std::span<const std::pair<E, std::string_view>> names();  // defined for the enumerations below, in names.cpp

template <> std::span<const std::pair<Permission, std::string_view>> names();
template <> std::span<const std::pair<MachineState, std::string_view>> names();
template <> std::span<const std::pair<ResourceKind, std::string_view>> names();
template <> std::span<const std::pair<ResourceRight, std::string_view>> names();
template <> std::span<const std::pair<Phase, std::string_view>> names();

template <class E>
std::string_view name(E value) {
  for (const auto& [entry, text] : names<E>())
    if (entry == value) return text;
  return "?";
}

template <class E>
std::optional<E> find_named(std::string_view text) {
  for (const auto& [entry, name] : names<E>())
    if (name == text) return entry;
  return std::nullopt;
}

}  // namespace velocity::model
