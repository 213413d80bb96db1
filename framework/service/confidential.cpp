#include "framework/service/confidential.hpp"

#include <algorithm>
#include <string>

namespace velocity::service {
namespace {

// Which fields of a plugin that is gone are confidential, nobody knows: all of them, then.
bool has_secrets(const plugin::VmType* type, const model::Machine& machine) {
  if (!type) return !machine.spec.empty();
  const auto& fields = type->info().confidential;
  return std::any_of(fields.begin(), fields.end(), [&](const std::string& field) { return machine.spec.contains(field); });
}

}  // namespace

std::shared_ptr<const model::Machine> shown_to(const Access& access, const Picture& picture, const plugin::Registry& registry,
                                               std::shared_ptr<const model::Machine> machine) {
  const auto* type = registry.find_vm_type(machine->type);
  if (!has_secrets(type, *machine)) return machine;
  const auto catalog = picture.catalogs.find(machine->catalog);
  if (catalog && access.on(*catalog).has(model::Permission::alter)) return machine;
  auto shown = std::make_shared<model::Machine>(*machine);
  if (!type) shown->spec = nlohmann::json::object();
  else
    for (const auto& field : type->info().confidential) shown->spec.erase(field);
  return shown;
}

}  // namespace velocity::service
