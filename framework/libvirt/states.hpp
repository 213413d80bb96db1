// libvirt's states, reasons and events as our states and causes. Included by this room only.
#pragma once

#include <optional>

#include "framework/model/machine.hpp"

namespace velocity::libvirt {

// From virDomainState and the reason that belongs to it.
model::Runtime runtime_of(int state, int reason);

// From virDomainEventType and the detail that belongs to it; nothing when the event does not tell, and the domain must be asked.
std::optional<model::Runtime> runtime_after(int event, int detail);

}  // namespace velocity::libvirt
