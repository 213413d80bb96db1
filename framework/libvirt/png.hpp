// A screen as QEMU tells it, as an image for people. Included by this room's host only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace velocity::libvirt {

// The largest portable pixmap that is taken: room for 16 million pixels.
inline constexpr std::size_t kMaxPixmapBytes = std::size_t{48} << 20;

// A portable pixmap (P6, 8 bits a colour) as PNG. Throws Error(hypervisor_failed) for anything else, cut short or too large.
std::string png_of(std::string_view pixmap);

}  // namespace velocity::libvirt
