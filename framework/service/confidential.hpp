// What of a machine is shown to whom: the fields that its type calls confidential are for who may alter it. Included by the services that
// show machines or make others after their likeness.
#pragma once

#include <memory>

#include "framework/model/machine.hpp"
#include "framework/plugin/registry.hpp"
#include "framework/service/access.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

// The machine itself, or a copy without what the caller may not see. `access` is the caller's, to that picture.
std::shared_ptr<const model::Machine> shown_to(const Access& access, const Picture& picture, const plugin::Registry& registry,
                                               std::shared_ptr<const model::Machine> machine);

}  // namespace velocity::service
