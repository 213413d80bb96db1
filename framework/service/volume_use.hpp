// Who uses a disk image, and how. Included by the services that read images or change them.
#pragma once

#include <optional>

#include <vector>

#include "framework/model/resource.hpp"
#include "framework/service/inventory.hpp"
#include "framework/service/turns.hpp"
#include "framework/storage/volume_header.hpp"

namespace velocity::service {

// The first machine that is not stopped and may write to the image.
std::optional<model::MachineId> machine_writing(const Picture& picture, const model::Resource& image);

// resource_in_use with the `vmid` of the machine that may write to it now.
void require_quiet(const Picture& picture, const model::Resource& image);


// The image with all that it is based on. resource_not_found.
storage::Chain chain_of(const Picture& picture, model::ResourceId image);

// resource_in_use with the `rid` of a linked clone of the image: its bytes must not change while there is one.
void require_no_overlay(const Picture& picture, model::ResourceId image);

// For a copy: no machine writes to it now. For a linked clone: no machine could ever write to it, and it does not stand on too many others.
void require_clonable(const Picture& picture, model::ResourceId image, bool linked);

// The turns of all machines that have the image, so that none of them starts or stops while it is worked on.
// `held`: the machine whose turn the caller has taken already.
std::vector<Turns::Turn> hold_users(Turns& turns, const Picture& picture, model::ResourceId image, model::MachineId held = {});

}  // namespace velocity::service
