/* An LD_PRELOAD library that ends the process by SIGKILL just before, or in the middle of, its n-th call that changes a file.
 *   KILL_AT=n     the call to die at (counted from kill_at_arm() on); without it calls are only counted
 *   KILL_TORN=1   a write is half done first
 *   KILL_COUNT=f  where the count is written at exit
 * Used by tests/fault/test_kill_points.py; the program under test calls kill_at_arm() through dlsym(). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;
static atomic_int armed;
static long kill_at = -1;
static int torn;

__attribute__((visibility("default"))) void kill_at_arm(void) { atomic_store(&armed, 1); }

__attribute__((constructor)) static void read_settings(void) {
  const char *at = getenv("KILL_AT");
  if (at) kill_at = atol(at);
  torn = getenv("KILL_TORN") != NULL;
}

__attribute__((destructor)) static void write_count(void) {
  const char *path = getenv("KILL_COUNT");
  if (!path) return;
  atomic_store(&armed, 0);
  FILE *file = fopen(path, "w");
  if (!file) return;
  fprintf(file, "%ld\n", atomic_load(&calls));
  fclose(file);
}

static int is_the_one(void) { return atomic_load(&armed) && atomic_fetch_add(&calls, 1) + 1 == kill_at; }

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int is_file(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

#define NEXT(name) __typeof__(&name) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define EXPORT __attribute__((visibility("default")))

EXPORT ssize_t write(int fd, const void *data, size_t size) {
  NEXT(write);
  if (atomic_load(&armed) && is_file(fd) && is_the_one()) {
    if (torn) (void)!next(fd, data, size / 2);
    die();
  }
  return next(fd, data, size);
}

#define PWRITE(name, offset_type)                                         \
  EXPORT ssize_t name(int fd, const void *data, size_t size, offset_type offset) { \
    NEXT(name);                                                           \
    if (atomic_load(&armed) && is_file(fd) && is_the_one()) {             \
      if (torn) (void)!next(fd, data, size / 2, offset);                  \
      die();                                                              \
    }                                                                     \
    return next(fd, data, size, offset);                                  \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define BEFORE(name, parameters, arguments) \
  EXPORT int name parameters {              \
    NEXT(name);                             \
    if (is_the_one()) die();                \
    return next arguments;                  \
  }
BEFORE(fsync, (int fd), (fd))
BEFORE(fdatasync, (int fd), (fd))
BEFORE(ftruncate, (int fd, off_t length), (fd, length))
BEFORE(ftruncate64, (int fd, off64_t length), (fd, length))
BEFORE(rename, (const char *from, const char *to), (from, to))
BEFORE(link, (const char *from, const char *to), (from, to))
BEFORE(unlink, (const char *path), (path))
BEFORE(unlinkat, (int directory, const char *path, int flags), (directory, path, flags))
BEFORE(remove, (const char *path), (path))
BEFORE(rmdir, (const char *path), (path))
BEFORE(mkdir, (const char *path, mode_t mode), (path, mode))

#define OPEN(name)                                \
  EXPORT int name(const char *path, int flags, ...) { \
    NEXT(name);                                   \
    mode_t mode = 0;                              \
    if (flags & (O_CREAT | O_TMPFILE)) {          \
      va_list list;                               \
      va_start(list, flags);                      \
      mode = va_arg(list, mode_t);                \
      va_end(list);                               \
      if (is_the_one()) die();                    \
    }                                             \
    return next(path, flags, mode);               \
  }
OPEN(open)
OPEN(open64)
