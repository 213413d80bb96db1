// L0: how the file is and how it loads.
#include <dlfcn.h>
#include <link.h>
#include <locale.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <set>

#include "framework/plugin/loader.hpp"
#include "sdk/conformance/subject.hpp"

namespace velocity::conformance {
namespace {

namespace fs = std::filesystem;

std::string text_of(const plugin::Refusal& refusal) { return refusal.code + ": " + refusal.cause + ". " + refusal.fix; }

void* open_plugin(const fs::path& file) {
  auto* handle = dlopen(fs::absolute(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw Failed(std::string("the dynamic loader refuses it: ") + dlerror());
  return handle;
}

velocity_plugin_entry entry_of(const fs::path& file) {
  auto* symbol = dlsym(open_plugin(file), VELOCITY_ENTRY_SYMBOL);
  if (!symbol) throw Failed("it does not export " VELOCITY_ENTRY_SYMBOL);
  return reinterpret_cast<velocity_plugin_entry>(symbol);
}

// How many symbols a GNU hash table has: the last of its longest bucket's chain.
std::uint32_t symbols_in(const std::uint32_t* table) {
  const auto buckets = table[0], first = table[1], bloom = table[2];
  const auto* bucket = table + 4 + bloom * (sizeof(ElfW(Addr)) / sizeof(std::uint32_t));
  const auto* chain = bucket + buckets;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < buckets; ++i) last = std::max(last, bucket[i]);
  if (last < first) return first;
  while (!(chain[last - first] & 1U)) ++last;
  return last + 1;
}

std::set<std::string> exports_of(const fs::path& file) {
  link_map* map = nullptr;
  if (dlinfo(open_plugin(file), RTLD_DI_LINKMAP, &map) != 0) throw Failed("its link map is not to be had");
  const ElfW(Sym)* symbols = nullptr;
  const char* names = nullptr;
  std::uint32_t count = 0;
  for (const auto* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {  // the loader has made addresses of the offsets
    if (entry->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const ElfW(Sym)*>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_GNU_HASH) count = symbols_in(reinterpret_cast<const std::uint32_t*>(entry->d_un.d_ptr));
    if (entry->d_tag == DT_HASH) count = reinterpret_cast<const std::uint32_t*>(entry->d_un.d_ptr)[1];
  }
  if (!symbols || !names) throw Failed("it has no table of symbols");
  std::set<std::string> exported;
  for (std::uint32_t i = 0; i < count; ++i)
    if (symbols[i].st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbols[i].st_info) != STB_LOCAL && ELF64_ST_VISIBILITY(symbols[i].st_other) == STV_DEFAULT)
      exported.insert(names + symbols[i].st_name);
  return exported;
}

std::size_t entries_of(const char* directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(directory)) ++count;
  return count;
}

// What loading may not change of the process.
struct Surroundings {
  std::size_t threads = entries_of("/proc/self/task");
  std::size_t descriptors = entries_of("/proc/self/fd");
  fs::path directory = fs::current_path();
  std::string locale = setlocale(LC_ALL, nullptr);
  std::array<void (*)(int), 32> handlers{};

  Surroundings() {
    for (int number = 1; number < 32; ++number) {
      struct sigaction action{};
      sigaction(number, nullptr, &action);
      handlers[static_cast<std::size_t>(number)] = action.sa_handler;
    }
  }
};

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// A table that the host has `size` bytes of, and the bytes behind it that are not the plugin's to write.
void enter_with(velocity_plugin_entry entry, std::size_t size) {
  constexpr unsigned char kMark = 0xa5;
  alignas(velocity_plugin) std::array<unsigned char, 512> memory;
  memory.fill(kMark);
  std::memset(memory.data(), 0, size);
  auto& table = *reinterpret_cast<velocity_plugin*>(memory.data());
  table.struct_size = size;
  const velocity_sink sink{sizeof(velocity_sink), nullptr, [](void*, velocity_text) {}};
  const velocity_call call{sizeof(velocity_call), VELOCITY_ABI_MAJOR, VELOCITY_ABI_MINOR, nullptr, [](void*, int32_t, velocity_text) {},
                           [](void*, velocity_text, velocity_text, const velocity_sink*) { return velocity_status{VELOCITY_FAILED}; }};
  if (entry(&call, &table, &sink) != VELOCITY_OK) throw Failed("its entry function fails with a table of " + std::to_string(size) + " bytes");
  for (auto i = size; i < memory.size(); ++i)
    if (memory[i] != kMark) throw Failed("it writes behind a table of " + std::to_string(size) + " bytes");
  if (table.struct_size > size) throw Failed("it makes a table of " + std::to_string(size) + " bytes a larger one");
}

}  // namespace

void check_file(const Options& options) {
  if (const auto refusal = plugin::examine(options.file).refusal) throw Failed(text_of(*refusal));
}

void check_loading(const Options& options) {
  MockHost host;
  plugin::Brought brought;
  if (const auto refusal = plugin::bring_in(plugin::examine(options.file), options.settings, host, brought)) throw Failed(text_of(*refusal));
}

void check_exports(const Options& options) {
  std::string others;
  for (const auto& name : exports_of(options.file))
    if (name != VELOCITY_ENTRY_SYMBOL) others += ' ' + name;
  if (!others.empty()) throw Failed("it also exports" + others.substr(0, 500) + ": link it as velocity_add_plugin() does");
}

void check_calm(const Options& options) {
  int ends[2];
  if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0) throw Failed("no pipe is to be had");
  close(ends[1]);
  const Surroundings before;
  const auto began = processor_seconds();
  check_loading(options);
  const auto took = processor_seconds() - began;
  const Surroundings after;
  fflush(stdout);
  struct stat nothing{};
  int waiting = 0;
  if (fstat(STDOUT_FILENO, &nothing) != 0) throw Failed("it closes the standard output");
  if (ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting > 0) throw Failed("it prints to the standard output: use the call's log");
  if (after.threads != before.threads) throw Failed("it starts a thread");
  if (after.descriptors > before.descriptors) throw Failed("it leaves files open");
  if (after.directory != before.directory) throw Failed("it changes the current directory");
  if (after.locale != before.locale) throw Failed("it changes the locale");
  if (after.handlers != before.handlers) throw Failed("it changes how a signal is handled");
  if (waitpid(-1, nullptr, WNOHANG) >= 0) throw Failed("it starts a process");
  if (took > 1) throw Failed("it takes " + std::to_string(took) + " s of processor time to load");
}

void check_other_hosts(const Options& options) {
  const auto entry = entry_of(options.file);
  enter_with(entry, sizeof(velocity_plugin));
  enter_with(entry, sizeof(velocity_plugin) + 64);
  enter_with(entry, offsetof(velocity_plugin, configure));
}

}  // namespace velocity::conformance
