// What becomes of volumes that are there: clones, growth, snapshots.
#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "framework/storage/bytes.hpp"
#include "framework/storage/descriptor.hpp"
#include "framework/storage/empty_qcow2.hpp"
#include "framework/storage/qcow2_header.hpp"
#include "framework/storage/volumes.hpp"
#include "framework/storage/workplace.hpp"

namespace velocity::storage {
namespace {

using model::Error;
using model::ErrorCode;
using model::ResourceId;
namespace fs = std::filesystem;

// Whole sectors of a size that an image can have, and not less than `least`.
std::int64_t wanted_size(std::int64_t virtual_size, std::int64_t least) {
  if (virtual_size < 0 || virtual_size > kMaxVirtualSize) throw Error(ErrorCode::image_unsupported, "An image has from 1 byte to 64 TiB");
  const auto size = static_cast<std::int64_t>(rounded_up(static_cast<std::uint64_t>(virtual_size), 512));
  if (virtual_size != 0 && size < least) throw Error(ErrorCode::image_unsupported, "A clone is at least as large as what it is made of");
  return std::max(size, least);
}

void grow_raw(const fs::path& path, std::int64_t size) {
  const auto file = open_file(path, O_WRONLY | O_NONBLOCK);
  if (::ftruncate(file.number(), size) != 0) throw system_error(errno, "ftruncate " + path.string());
  if (::fsync(file.number()) != 0) throw system_error(errno, "fsync " + path.string());
}

Error not_here() {
  return Error(ErrorCode::image_unsupported, "The disk lies in a storage pool of libvirt's, where it has neither linked clones nor snapshots. Clone it in full into another pool");
}

void require_qcow2(const Chain& volume) {
  if (volume.front().format != ImageFormat::qcow2)
    throw Error(ErrorCode::image_unsupported, fmt::format("A {} image cannot hold snapshots: a qcow2 image can", name(volume.front().format)));
}

bool has_snapshot(const std::vector<Snapshot>& snapshots, model::Uuid name) {
  return std::any_of(snapshots.begin(), snapshots.end(), [&](const Snapshot& snapshot) { return snapshot.name == name.text(); });
}

}  // namespace

Layers Volumes::layers(const Chain& chain) const {
  for (const auto& layer : chain)
    if (remote(layer.id)) throw not_here();
  Layers layers;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    inspect_volume(path(chain[i].id), chain[i].format, i + 1 < chain.size() ? &chain[i + 1] : nullptr);
    layers.push_back(path(chain[i].id));
  }
  return layers;
}

ImageFacts Volumes::inspect(const Chain& volume) const {
  if (remote(volume.front().id)) throw not_here();
  return inspect_volume(path(volume.front().id), volume.front().format, volume.size() > 1 ? &volume[1] : nullptr);
}

void Volumes::create_overlay(ResourceId id, const Chain& base, std::int64_t virtual_size) {
  if (remote(id)) throw not_here();
  if (exists(id)) return;
  if (directory(id) != directory(base.front().id)) throw Error(ErrorCode::image_unsupported, "A linked clone is in the pool of its source");
  const auto size = wanted_size(virtual_size, inspect(base).virtual_size);
  const Workplace work(directory(id), id);
  const auto name = base.front().id.text();
  const auto driver = driver_of(base.front().format);
  write_empty_qcow2(work.file(), size, {name, driver});
  if (inspect_volume(work.file(), ImageFormat::qcow2, &base.front()).virtual_size != size)
    throw Error(ErrorCode::storage_failed, "The linked clone is of another size than was asked for", work.file().string());
  publish(work.file(), {ImageFormat::qcow2, size}, id);
}

ImageFacts Volumes::clone(const Chain& source, ResourceId id, std::int64_t virtual_size, const std::function<void(int)>& progress) {
  const auto format = source.front().format;
  if (!remote(id) && exists(id)) return inspect_volume(path(id), format, nullptr);
  const auto from = remote(source.front().id);
  if (!from) return clone_into(layers(source), inspect(source), id, virtual_size, progress);
  // What others could write to is trusted no more than an upload is.
  const Workplace fetched(directory_, source.front().id);
  from->download(source.front().id.text(), fetched.file(), 0);
  const auto facts = inspect_file(fetched.file(), format);
  if (format == ImageFormat::qcow2) qemu_img_.check(fetched.file(), facts);
  return clone_into({fetched.file()}, facts, id, virtual_size, progress);
}

ImageFacts Volumes::clone_into(const Layers& shown, const ImageFacts& source, ResourceId id, std::int64_t virtual_size, const std::function<void(int)>& progress) {
  const auto format = source.format;
  const auto size = format == ImageFormat::iso ? source.virtual_size : wanted_size(virtual_size, source.virtual_size);
  if (progress) progress(0);
  const Workplace work(directory(id), id);
  qemu_img_.convert(shown, source, work.path(), progress);
  if (inspect_volume(work.file(), format, nullptr).virtual_size != source.virtual_size)
    throw Error(ErrorCode::image_corrupt, "The clone is of another size than its source", work.file().string());
  if (size > source.virtual_size && format == ImageFormat::qcow2) qemu_img_.resize({work.file()}, size);
  if (size > source.virtual_size && format != ImageFormat::qcow2) grow_raw(work.file(), size);
  const auto facts = inspect_volume(work.file(), format, nullptr);
  publish(work.file(), facts, id);
  if (progress) progress(1000);
  return facts;
}

void Volumes::grow(const Chain& volume, std::int64_t virtual_size) {
  if (volume.front().format == ImageFormat::iso) throw Error(ErrorCode::image_unsupported, "An iso image cannot grow");
  if (const auto pool = remote(volume.front().id)) return pool->grow(volume.front().id.text(), volume.front().format, wanted_size(virtual_size, 0));
  const auto shown = layers(volume);
  const auto now = inspect(volume).virtual_size;
  const auto size = wanted_size(std::max(virtual_size, now), now);
  if (size == now) return;
  if (volume.front().format == ImageFormat::raw) return grow_raw(shown.front(), size);
  qemu_img_.resize(shown, size);
  sync_file(shown.front());
  if (inspect(volume).virtual_size != size) throw Error(ErrorCode::storage_failed, "The image did not grow to the size that was asked for");
}

void Volumes::snapshot_take(const Chain& volume, model::Uuid name) {
  require_qcow2(volume);
  const auto shown = layers(volume);
  if (has_snapshot(read_snapshots(shown.front()), name)) return;
  qemu_img_.snapshot(shown, inspect(volume), QemuImg::Verb::take, name);
  sync_file(shown.front());
}

ImageFacts Volumes::snapshot_apply(const Chain& volume, model::Uuid name) {
  require_qcow2(volume);
  const auto shown = layers(volume);
  if (!has_snapshot(read_snapshots(shown.front()), name))
    throw Error(ErrorCode::image_unsupported, "The image has no snapshot of this name", fmt::format("{}: {}", shown.front().string(), name.text()));
  qemu_img_.snapshot(shown, inspect(volume), QemuImg::Verb::apply, name);
  sync_file(shown.front());
  return inspect(volume);
}

void Volumes::snapshot_remove(const Chain& volume, model::Uuid name) {
  require_qcow2(volume);
  if (!exists(volume.front().id)) return;
  const auto shown = layers(volume);
  if (!has_snapshot(read_snapshots(shown.front()), name)) return;
  qemu_img_.snapshot(shown, inspect(volume), QemuImg::Verb::remove, name);
  sync_file(shown.front());
}

std::vector<Snapshot> Volumes::snapshots(ResourceId id) const { return read_snapshots(path(id)); }

}  // namespace velocity::storage
