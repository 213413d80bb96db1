// What a machine is made of as a JSON document and back: how the journal and snapshots keep it. Included by the services that change machines.
#pragma once

#include <nlohmann/json.hpp>

#include "framework/model/machine.hpp"

namespace velocity::service {

nlohmann::json document_of(const model::Machine& machine);

// What its guest would notice: processors, memory, displays, disks, NICs, the type's own fields. Throws Error(storage_failed) for a document
// that is none of document_of()'s.
void restore_make(model::Machine& machine, const nlohmann::json& document);

// And its name, its catalog, and whether it starts by itself.
void restore_all(model::Machine& machine, const nlohmann::json& document);

// The row while one becomes the other: nobody else is given what either of the two has.
model::Machine between(const model::Machine& old, const model::Machine& wanted);

}  // namespace velocity::service
