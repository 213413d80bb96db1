#include "framework/service/provision.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <variant>

#include "framework/libvirt/apple_smc.hpp"
#include "framework/model/error.hpp"
#include "framework/storage/seed_image.hpp"

namespace velocity::service {
namespace {

struct Render {
  std::string operator()(const plugin::IsoImage& image) const { return storage::seed_image(image.label, image.entries); }
  std::string operator()(const plugin::AppleSmc& controller) const { return libvirt::apple_smc_configuration(controller.key); }
};

void make_private(const std::filesystem::path& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return;
  throw model::Error(model::ErrorCode::storage_failed, "The virtual machine's directory cannot be made",
                     fmt::format("{}: {}", directory.string(), std::strerror(errno)));
}

}  // namespace

void Provision::before_start(const Picture& picture, const model::Machine& machine) const {
  const auto files = blueprint_.plan_files(picture, machine);
  blueprint_.check_volumes(picture, machine);
  if (files.empty()) return;
  const auto directory = blueprint_.files(machine.id).directory;
  make_private(directory);
  for (const auto& file : files) storage::write_private_file(directory / file.name, std::visit(Render(), file.content));
}

void Provision::remove(model::MachineId id) const {
  std::error_code failed;
  std::filesystem::remove_all(blueprint_.files(id).directory, failed);
  if (failed) throw model::Error(model::ErrorCode::storage_failed, "The virtual machine's directory cannot be removed", failed.message());
}

}  // namespace velocity::service
