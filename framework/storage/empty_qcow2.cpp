#include "framework/storage/empty_qcow2.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "framework/storage/bytes.hpp"
#include "framework/storage/descriptor.hpp"

namespace velocity::storage {
namespace {

// As qemu-img has them when it is told nothing else.
constexpr std::uint64_t kClusterBits = 16;
constexpr std::uint64_t kCluster = 1 << kClusterBits;
constexpr std::uint64_t kRefcountOrder = 4;  // counts of 16 bits
constexpr std::uint64_t kHeaderLength = 112;

// Where things lie, a cluster each: the header, the table of reference counts, its one block, and then the L1 table, which may need more.
constexpr std::uint64_t kRefcountTable = kCluster, kRefcountBlock = 2 * kCluster, kL1Table = 3 * kCluster;

// The beginning of a file, growing as it is written to.
class Part {
 public:
  void put(std::size_t offset, std::size_t width, std::uint64_t value) {
    auto* place = room(offset, width);
    for (std::size_t i = 0; i < width; ++i) place[width - 1 - i] = static_cast<std::byte>(value >> (8 * i));
  }
  void put(std::size_t offset, std::string_view text) {
    std::ranges::copy(std::as_bytes(std::span(text)), room(offset, text.size()));
  }
  Bytes bytes() const { return bytes_; }

 private:
  std::byte* room(std::size_t offset, std::size_t size) {
    bytes_.resize(std::max(bytes_.size(), offset + size));
    return bytes_.data() + offset;
  }
  std::vector<std::byte> bytes_;
};

// docs/interop/qcow2.txt of QEMU, "Header", version 3. What is not put is 0.
Part header(std::uint64_t virtual_size, std::uint64_t l1_entries, const Qcow2Base& base) {
  Part header;
  header.put(0, "QFI\xfb");
  header.put(4, 4, 3);
  header.put(20, 4, kClusterBits);
  header.put(24, 8, virtual_size);
  header.put(36, 4, l1_entries);
  header.put(40, 8, kL1Table);
  header.put(48, 8, kRefcountTable);
  header.put(56, 4, 1);  // clusters of it
  header.put(96, 4, kRefcountOrder);
  header.put(100, 4, kHeaderLength);
  std::size_t end = kHeaderLength;
  if (!base.name.empty()) {
    header.put(end, 4, 0xe2792aca);  // the extension that says the base's format, so that nobody guesses
    header.put(end + 4, 4, base.driver.size());
    header.put(end + 8, base.driver);
    end += 8 + rounded_up(base.driver.size(), 8);
  }
  header.put(end, 8, 0);  // the last extension
  end += 8;
  if (!base.name.empty()) {
    header.put(8, 8, end);
    header.put(16, 4, base.name.size());
    header.put(end, base.name);
  }
  return header;
}

}  // namespace

void write_empty_qcow2(const std::filesystem::path& path, std::int64_t virtual_size, const Qcow2Base& base) {
  const auto size = static_cast<std::uint64_t>(virtual_size);
  constexpr auto kBytesOfAnL1Entry = kCluster * (kCluster / 8);
  const auto l1_entries = rounded_up(size, kBytesOfAnL1Entry) / kBytesOfAnL1Entry;
  const auto length = kL1Table + rounded_up(l1_entries * 8, kCluster);  // 19 clusters for the largest disk: one block counts 32768

  Part refcount_table, refcounts;
  refcount_table.put(0, 8, kRefcountBlock);
  for (std::uint64_t cluster = 0; cluster < length / kCluster; ++cluster) refcounts.put(2 * cluster, 2, 1);

  const auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  write_at(file, 0, header(size, l1_entries, base).bytes());
  write_at(file, kRefcountTable, refcount_table.bytes());
  write_at(file, kRefcountBlock, refcounts.bytes());
  // The rest is zeros: no cluster of the disk is there yet.
  if (::ftruncate(file.number(), static_cast<off_t>(length)) != 0) throw system_error(errno, "ftruncate " + path.string());
}

}  // namespace velocity::storage
