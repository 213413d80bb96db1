/* A VM type that goes wrong in one place and one way: AT_LOAD, AT_ENTRY, AT_DESCRIBE or AT_PLAN, and ABORTS, EXITS, SPINS and so on. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <velocity/abi.h>

#ifndef EXAMPLE
#define EXAMPLE "{}"
#endif

static void say(const velocity_sink *reply, const char *text) {
  velocity_text piece = {text, strlen(text)};
  if (VELOCITY_HAS(reply, write)) reply->write(reply->context, piece);
}

#if defined(STARTS_A_THREAD)
static void *wait_for_ever(void *nothing) {
  for (;;) pause();
  return nothing;
}
#endif

/* Whether the caller is to answer as if nothing had happened; `reply` may be null. */
static int go_wrong(const velocity_sink *reply, velocity_status *status) {
  (void)reply, (void)status;
#if defined(ABORTS)
  abort();
#elif defined(EXITS)
  exit(0);
#elif defined(SPINS)
  for (volatile int turns = 0;; turns = !turns) {
  }
#elif defined(SEGFAULTS)
  *(volatile int *)8 = 1;
#elif defined(STARTS_A_THREAD)
  pthread_t thread;
  pthread_create(&thread, 0, wait_for_ever, 0);
#elif defined(ANSWERS_GARBAGE)
  say(reply, "\x7f\x45LF \xff\xfe {{{");
  return 0;
#elif defined(ANSWERS_100_MB)
  static char much[1 << 20];
  memset(much, 'x', sizeof much - 1);
  for (int i = 0; i < 100; ++i) say(reply, much);
  return 0;
#elif defined(ANSWERS_NOTHING)
  return 0;
#elif defined(ANSWERS_A_LIST)
  say(reply, "[1,2,3]");
  return 0;
#elif defined(FAILS)
  say(reply, "{\"message\":\"the stars are wrong\"}");
  *status = VELOCITY_FAILED;
  return 0;
#endif
  return 1;
}

#if defined(AT_LOAD)
__attribute__((constructor)) static void load(void) {
  velocity_status status;
  go_wrong(0, &status);
}
#endif

static velocity_status describe(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  velocity_status status = VELOCITY_OK;
  (void)self, (void)call, (void)request;
#if defined(AT_DESCRIBE)
  if (!go_wrong(reply, &status)) return status;
#endif
  say(reply, "{\"type\":\"goes-wrong\",\"title\":\"Goes wrong\",\"schema\":{\"type\":\"object\",\"additionalProperties\":false},\"examples\":[" EXAMPLE "]}");
  return status;
}

static velocity_status plan(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  velocity_status status = VELOCITY_OK;
  (void)self, (void)call, (void)request;
#if defined(AT_PLAN)
  if (!go_wrong(reply, &status)) return status;
#endif
  say(reply, "{\"fragments\":[{\"section\":\"os\",\"xml\":\"<os><type>hvm</type></os>\"}]}");
  return status;
}

#if defined(NO_PLAN)
#define PLAN 0
#else
#define PLAN plan
#endif
static const velocity_vm_type type = {sizeof type, 0, describe, 0, 0, PLAN, 0, 0};
static const velocity_vm_type *const types[] = {&type};

velocity_status velocity_plugin_entry_v1(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply) {
  velocity_status status = VELOCITY_OK;
  (void)call, (void)reply, (void)plan, (void)types, (void)go_wrong;
#if defined(AT_ENTRY)
  if (!go_wrong(reply, &status)) return status;
#endif
  plugin->abi_minor = VELOCITY_ABI_MINOR;
#if !defined(NO_TABLES)
  plugin->vm_type_count = 1;
  plugin->vm_types = types;
#endif
  return status;
}
