#include "framework/model/names.hpp"

#include <array>

namespace velocity::model {
namespace {

template <class E, std::size_t N>
using Table = std::array<std::pair<E, std::string_view>, N>;

constexpr Table<Permission, 7> kPermissions{{
    {Permission::manage, "manage"},
    {Permission::view, "view"},
    {Permission::create, "create"},
    {Permission::alter, "alter"},
    {Permission::remove, "remove"},
    {Permission::state, "state"},
    {Permission::interact, "interact"},
}};

constexpr Table<MachineState, 7> kStates{{
    {MachineState::STOPPED, "STOPPED"},
    {MachineState::STARTING, "STARTING"},
    {MachineState::RUNNING, "RUNNING"},
    {MachineState::PAUSING, "PAUSING"},
    {MachineState::PAUSED, "PAUSED"},
    {MachineState::RESUMING, "RESUMING"},
    {MachineState::STOPPING, "STOPPING"},
}};

constexpr Table<ResourceKind, 2> kKinds{{{ResourceKind::storage, "storage"}, {ResourceKind::nic, "nic"}}};

constexpr Table<ResourceRight, 2> kRights{{{ResourceRight::use, "use"}, {ResourceRight::manage, "manage"}}};

constexpr Table<Phase, 3> kPhases{{
    {Phase::creating, "creating"},
    {Phase::ready, "ready"},
    {Phase::deleting, "deleting"},
}};

}  // namespace

template <> std::span<const std::pair<Permission, std::string_view>> names() { return kPermissions; }
template <> std::span<const std::pair<MachineState, std::string_view>> names() { return kStates; }
template <> std::span<const std::pair<ResourceKind, std::string_view>> names() { return kKinds; }
template <> std::span<const std::pair<ResourceRight, std::string_view>> names() { return kRights; }
template <> std::span<const std::pair<Phase, std::string_view>> names() { return kPhases; }

}  // namespace velocity::model
