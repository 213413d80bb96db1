// A creation's JSON → the machine that is wanted, an alteration's → what is to be different. Included by the routes of /v.
#pragma once

#include "framework/model/machine.hpp"
#include "framework/service/alterations.hpp"
#include "framework/service/machines.hpp"
#include "server/rest/route.hpp"

namespace velocity::rest {

// The common fields read and the type's own put into its spec. type: null when there is no such type. Throws request_invalid with every
// problem.
model::Machine read_machine(const Json& fields, const std::string& type_name, const plugin::VmType* type);

// type: null when the machine's plugin is gone. Throws request_invalid with every problem.
service::MachineChange read_machine_change(const Json& fields, const plugin::VmType* type);

}  // namespace velocity::rest
