// Lets allocations fail on demand. The functions stand in the program and so before the C library's for everybody, the plugin too; the C++
// library's operator new comes here as well.
#include <cerrno>
#include <cstddef>
#include <utility>

#include "sdk/conformance/subject.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)

namespace velocity::conformance {
bool can_starve() { return false; }
void starve_from(long) {}
bool feed() { return false; }
}  // namespace velocity::conformance

#else

namespace {
thread_local long left = -1;  // larger allocations until one fails; negative: none does
thread_local bool failed = false;

bool starves(std::size_t size) {
  if (left < 0 || size < velocity::conformance::kStarving) return false;
  if (left-- > 0) return false;
  failed = true;
  errno = ENOMEM;
  return true;
}
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);

[[gnu::visibility("default")]] void* malloc(std::size_t size) { return starves(size) ? nullptr : __libc_malloc(size); }
[[gnu::visibility("default")]] void* calloc(std::size_t count, std::size_t size) { return starves(count * size) ? nullptr : __libc_calloc(count, size); }
[[gnu::visibility("default")]] void* realloc(void* old, std::size_t size) { return starves(size) ? nullptr : __libc_realloc(old, size); }
}

namespace velocity::conformance {
bool can_starve() { return true; }
void starve_from(long nth) {
  failed = false;
  left = nth;
}
bool feed() {
  left = -1;
  return std::exchange(failed, false);
}
}  // namespace velocity::conformance

#endif
