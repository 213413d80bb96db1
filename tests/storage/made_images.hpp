// Images made by hand for the storage tests: small, valid, and easy to break in one place. Included by the tests of this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace velocity::storage::test {

// A file's bytes; writing beyond the end makes it longer.
class MadeImage {
 public:
  MadeImage() = default;
  explicit MadeImage(std::size_t size, char fill = '\0') : bytes_(size, fill) {}

  MadeImage& big(std::size_t offset, std::size_t width, std::uint64_t value) {
    std::string number(width, '\0');
    for (std::size_t i = 0; i < width; ++i) number[width - 1 - i] = static_cast<char>(value >> (8 * i));
    return put(offset, number);
  }
  MadeImage& little(std::size_t offset, std::size_t width, std::uint64_t value) {
    std::string number(width, '\0');
    for (std::size_t i = 0; i < width; ++i) number[i] = static_cast<char>(value >> (8 * i));
    return put(offset, number);
  }
  MadeImage& put(std::size_t offset, std::string_view text) {
    if (bytes_.size() < offset + text.size()) bytes_.resize(offset + text.size());
    bytes_.replace(offset, text.size(), text);
    return *this;
  }
  MadeImage& cut(std::size_t size) {
    bytes_.resize(size);
    return *this;
  }

  const std::string& bytes() const { return bytes_; }
  void write(const std::filesystem::path& path) const { std::ofstream(path, std::ios::binary) << bytes_; }

 private:
  std::string bytes_;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An empty qcow2 image that qemu-img takes: header, table of reference counts, one block of them, L1 table; a cluster each.
// The largest disk that one cluster of L1 table can describe is offered.
inline MadeImage made_qcow2(unsigned version = 3, unsigned cluster_bits = 9, std::uint64_t virtual_size = 512 * 64) {
  const std::uint64_t cluster = std::uint64_t{1} << cluster_bits;
  MadeImage image(4 * cluster);
  image.put(0, "QFI\xfb").big(4, 4, version).big(20, 4, cluster_bits).big(24, 8, virtual_size);
  image.big(36, 4, (virtual_size + cluster * (cluster / 8) - 1) / (cluster * (cluster / 8)));  // entries of the L1 table
  image.big(40, 8, 3 * cluster).big(48, 8, cluster).big(56, 4, 1);                            // L1 table, table of reference counts
  if (version == 3) image.big(96, 4, 4).big(100, 4, 104);
  image.big(cluster, 8, 2 * cluster);
  for (std::size_t i = 0; i < 4; ++i) image.big(2 * cluster + 2 * i, 2, 1);
  return image;
}

// A header extension of qcow2 at the first place for one, or at `offset`.
inline MadeImage with_extension(MadeImage image, std::uint64_t type, std::string_view data, std::size_t offset = 104) {
  return std::move(image.big(offset, 4, type).big(offset + 4, 4, data.size()).put(offset + 8, data));
}

// A backing file's name at the end of the first cluster, as qemu-img puts it behind the extensions.
inline MadeImage with_backing_file(std::string_view backing_file, unsigned version = 3) {
  return std::move(made_qcow2(version, 16, 1 << 20).put(1024, backing_file).big(8, 8, 1024).big(16, 4, backing_file.size()));
}

// A CD without a file: primary volume descriptor, terminator, some room.
inline MadeImage made_iso(std::uint64_t blocks = 24) {
  MadeImage image(blocks * 2048);
  image.put(16 * 2048, "\x01" "CD001\x01").put(17 * 2048, "\xff" "CD001\x01");
  image.little(16 * 2048 + 80, 4, blocks).big(16 * 2048 + 84, 4, blocks);
  image.little(16 * 2048 + 128, 2, 2048).big(16 * 2048 + 130, 2, 2048);
  return image;
}

}  // namespace velocity::storage::test
