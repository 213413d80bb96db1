#include "framework/plugin/elf.hpp"

#include <elf.h>
#include <velocity/abi.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace velocity::plugin {
namespace {

#if defined(__x86_64__)
constexpr int kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr int kMachine = EM_AARCH64;
#else
#error "name this machine's ELF machine number here"
#endif

constexpr std::uint64_t kMaxSegment = std::uint64_t{1} << 30;
constexpr std::uint64_t kLargestPage = 64 * 1024;

class File {
 public:
  explicit File(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool holds(std::uint64_t offset, std::uint64_t size) const { return offset <= bytes_.size() && size <= bytes_.size() - offset; }

  template <class T>
    requires std::is_trivially_copyable_v<T>
  std::optional<T> read(std::uint64_t offset) const {
    if (!holds(offset, sizeof(T))) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  std::string text(std::uint64_t offset, std::uint64_t size) const {  // holds(offset, size) was asked
    return {reinterpret_cast<const char*>(bytes_.data() + offset), static_cast<std::size_t>(size)};
  }

 private:
  std::span<const std::byte> bytes_;
};

Refusal truncated() { return {"plugin.truncated", "the file ends before what its headers promise", "install it again: the copy is not whole"}; }

Refusal malformed(std::string what) { return {"plugin.malformed", "the file's ELF structure is broken: " + std::move(what), "build or install it again"}; }

std::optional<Refusal> check_header(const File& file, const Elf64_Ehdr& header) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return Refusal{"plugin.not_elf", "the file is not an ELF file", "keep nothing but plugins in this directory"};
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != kMachine)
    return Refusal{"plugin.wrong_machine", "the file is built for another kind of machine", "install the build for this one"};
  if (header.e_ident[EI_VERSION] != EV_CURRENT || header.e_type != ET_DYN) return malformed("it is not a shared object");
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 || header.e_phnum > 64) return malformed("its program header table is odd");
  if (!file.holds(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr))) return truncated();
  return std::nullopt;
}

// Looks for our note among a segment's notes.
std::optional<Refusal> read_notes(const File& file, const Elf64_Phdr& segment, ElfFacts& facts) {
  if (!file.holds(segment.p_offset, segment.p_filesz)) return truncated();
  const std::uint64_t align = segment.p_align == 8 ? 8 : 4;
  const auto padded = [align](std::uint64_t size) { return (size + align - 1) / align * align; };
  std::uint64_t at = segment.p_offset;
  const std::uint64_t end = at + segment.p_filesz;
  while (end - at >= sizeof(Elf64_Nhdr)) {
    const auto note = file.read<Elf64_Nhdr>(at);
    if (!note) return truncated();
    const auto name = at + sizeof(Elf64_Nhdr);
    const auto description = name + padded(note->n_namesz);
    if (description > end || note->n_descsz > end - description) return malformed("a note is longer than its segment");
    if (note->n_type == VELOCITY_NOTE_MANIFEST && note->n_namesz == sizeof VELOCITY_NOTE_OWNER &&
        file.text(name, note->n_namesz) == std::string(VELOCITY_NOTE_OWNER, sizeof VELOCITY_NOTE_OWNER)) {
      if (facts.manifest) return malformed("it has two manifests");
      facts.manifest = file.text(description, note->n_descsz);
    }
    const auto next = description + padded(note->n_descsz);
    if (next >= end) break;
    at = next;
  }
  return std::nullopt;
}

std::optional<Refusal> read_dynamic(const File& file, const Elf64_Phdr& segment, ElfFacts& facts) {
  if (!file.holds(segment.p_offset, segment.p_filesz)) return truncated();
  for (std::uint64_t done = 0; segment.p_filesz - done >= sizeof(Elf64_Dyn); done += sizeof(Elf64_Dyn)) {
    const auto entry = file.read<Elf64_Dyn>(segment.p_offset + done);
    if (!entry || entry->d_tag == DT_NULL) break;
    if (entry->d_tag == DT_FLAGS_1) facts.resident = (entry->d_un.d_val & DF_1_NODELETE) != 0;
  }
  return std::nullopt;
}

// Past its end the loader would map pages with no file behind them, and the first touch would kill the process (SIGBUS).
std::optional<Refusal> check_load(const File& file, const Elf64_Phdr& segment) {
  if (!file.holds(segment.p_offset, segment.p_filesz)) return truncated();
  if (segment.p_memsz < segment.p_filesz || segment.p_memsz > kMaxSegment || segment.p_vaddr > UINT64_MAX - segment.p_memsz)
    return malformed("a segment has an impossible size");
  return std::nullopt;
}

}  // namespace

std::uint64_t extent_of(std::span<const std::byte> head) {
  const File file(head);
  const auto header = file.read<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return 0;
  if (!file.holds(header->e_phoff, std::uint64_t{header->e_phnum} * sizeof(Elf64_Phdr))) return UINT64_MAX;
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
    const auto segment = file.read<Elf64_Phdr>(header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment || segment->p_filesz > UINT64_MAX - segment->p_offset) return UINT64_MAX;
    end = std::max(end, segment->p_offset + segment->p_filesz);
  }
  return end > UINT64_MAX - kLargestPage ? UINT64_MAX : (end + kLargestPage - 1) / kLargestPage * kLargestPage;
}

std::optional<Refusal> read_elf(std::span<const std::byte> bytes, ElfFacts& facts) {
  const File file(bytes);
  const auto magic = bytes.size() < SELFMAG || std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
  const auto header = file.read<Elf64_Ehdr>(0);
  if (!header && magic) return truncated();
  if (auto refusal = check_header(file, header ? *header : Elf64_Ehdr{})) return refusal;
  for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
    const auto segment = file.read<Elf64_Phdr>(header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment) return truncated();
    std::optional<Refusal> refusal;
    if (segment->p_type == PT_LOAD) refusal = check_load(file, *segment);
    if (segment->p_type == PT_NOTE) refusal = read_notes(file, *segment, facts);
    if (segment->p_type == PT_DYNAMIC) refusal = read_dynamic(file, *segment, facts);
    if (segment->p_type == PT_GNU_STACK) facts.executable_stack = (segment->p_flags & PF_X) != 0;
    if (refusal) return refusal;
  }
  return std::nullopt;
}

}  // namespace velocity::plugin
