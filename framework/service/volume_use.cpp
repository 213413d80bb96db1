#include "framework/service/volume_use.hpp"

#include <fmt/format.h>

#include "framework/model/error.hpp"

namespace velocity::service {
namespace {

using model::Error;
using model::ErrorCode;

// What is not plainly read-only counts as written to.
bool may_write(const model::Resource& image, const model::Attachment& attachment) {
  if (image.spec.value("format", "") == "iso") return false;
  const auto says = [&](const char* option) {
    const auto found = attachment.options.find(option);
    return found != attachment.options.end() && found->is_boolean() && found->get<bool>();
  };
  return !attachment.options.is_object() || (!says("readonly") && !says("cdrom"));
}

template <class Counts>
std::optional<model::MachineId> find_writer(const Picture& picture, const model::Resource& image, Counts counts) {
  std::optional<model::MachineId> writer;
  picture.uses.visit_from({image.id, model::MachineId()}, [&](const Picture::Use& use, const auto& attachment) {
    if (use.first != image.id) return false;
    if (!counts(use.second) || !may_write(image, *attachment)) return true;
    writer = use.second;
    return false;
  });
  return writer;
}

std::shared_ptr<const model::Resource> get_image(const Picture& picture, model::ResourceId id) {
  auto image = picture.resources.find(id);
  if (!image) throw Error(ErrorCode::resource_not_found, fmt::format("No resource {} is visible to you", id.text()));
  return image;
}

storage::Layer layer_of(const model::Resource& image) {
  const auto format = storage::find_format(image.spec.value("format", "raw"));
  return {image.id, format.value_or(storage::ImageFormat::raw)};
}

}  // namespace

std::optional<model::MachineId> machine_writing(const Picture& picture, const model::Resource& image) {
  return find_writer(picture, image, [&](model::MachineId id) { return picture.runtime(id).state != model::MachineState::STOPPED; });
}

void require_quiet(const Picture& picture, const model::Resource& image) {
  if (const auto machine = machine_writing(picture, image))
    throw Error(ErrorCode::resource_in_use, fmt::format("The virtual machine {} is not stopped and may write to it", machine->text())).with("vmid", machine->text());
}

storage::Chain chain_of(const Picture& picture, model::ResourceId id) {
  auto image = get_image(picture, id);
  storage::Chain chain{layer_of(*image)};
  while (image->base) {
    image = get_image(picture, *image->base);
    chain.push_back(layer_of(*image));
  }
  return chain;
}

void require_no_overlay(const Picture& picture, model::ResourceId image) {
  picture.overlays.visit_from({image, model::ResourceId()}, [&](const Picture::Overlay& overlay, const auto&) {
    if (overlay.first != image) return false;
    throw Error(ErrorCode::resource_in_use, fmt::format("The disk {} is a linked clone of it, so its bytes must stay as they are", overlay.second.text()))
        .with("rid", overlay.second.text());
  });
}

void require_clonable(const Picture& picture, model::ResourceId id, bool linked) {
  constexpr std::size_t kDeepest = 8;
  const auto image = get_image(picture, id);
  if (!linked) return require_quiet(picture, *image);
  if (const auto machine = find_writer(picture, *image, [](model::MachineId) { return true; }))
    throw Error(ErrorCode::resource_in_use,
                fmt::format("The virtual machine {} may write to it. A linked clone needs a disk that stays as it is: take it from the machine, or give it with \"readonly\"",
                            machine->text()))
        .with("vmid", machine->text());
  if (chain_of(picture, id).size() >= kDeepest)
    throw Error(ErrorCode::resource_linked, fmt::format("It stands on {} other disks already: clone it in full", kDeepest - 1));
}

std::vector<Turns::Turn> hold_users(Turns& turns, const Picture& picture, model::ResourceId image, model::MachineId held_already) {
  std::vector<Turns::Turn> held;
  picture.uses.visit_from({image, model::MachineId()}, [&](const Picture::Use& use, const auto&) {  // in the order of their ids, as everybody does
    if (use.first != image) return false;
    if (use.second != held_already) held.push_back(turns.take(use.second.uuid()));
    return true;
  });
  return held;
}

}  // namespace velocity::service
