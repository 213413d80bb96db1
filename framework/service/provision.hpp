// Makes the files that a type's plan asks for beside its domain: a seed image, the configuration of a device with a secret. Each machine
// has a directory of its own for them. Included by the services that start and remove machines.
#pragma once

#include "framework/model/machine.hpp"
#include "framework/service/blueprint.hpp"
#include "framework/service/inventory.hpp"

namespace velocity::service {

// Thread-safe, for one change of a machine at a time.
class Provision {
 public:
  explicit Provision(const Blueprint& blueprint) : blueprint_(blueprint) {}

  // Makes them anew, so that they are what the machine and the settings say now. type_unavailable when the machine's plugin is gone:
  // nobody knows then what it should start with.
  void before_start(const Picture& picture, const model::Machine& machine) const;
  void remove(model::MachineId id) const;

 private:
  const Blueprint& blueprint_;
};

}  // namespace velocity::service
