/* The least that a plugin can be, in C: only what its tables must have. MINIMAL_SCHEMA is its type's schema, MINIMAL_TYPE its type. */
#include <string.h>
#include <velocity/abi.h>

#ifndef MINIMAL_SCHEMA
#define MINIMAL_SCHEMA "{\"type\":\"object\"}"
#endif
#ifndef MINIMAL_TYPE
#define MINIMAL_TYPE "minimal"
#endif

static velocity_status say(const velocity_sink *reply, const char *text) {
  velocity_text piece = {text, strlen(text)};
  if (VELOCITY_HAS(reply, write)) reply->write(reply->context, piece);
  return VELOCITY_OK;
}

static velocity_status describe(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  (void)self, (void)call, (void)request;
  return say(reply, "{\"type\":\"" MINIMAL_TYPE "\",\"title\":\"Minimal\",\"schema\":" MINIMAL_SCHEMA ",\"capabilities\":{\"kind\":\"nic\"}}");
}

static velocity_status attach(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  (void)self, (void)call, (void)request;
  return say(reply, "{\"fragments\":[]}");
}

/* Every operation that may be missing is; `validate` and `alter` say so in the other way. */
static velocity_status unsupported(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  (void)self, (void)call, (void)request, (void)reply;
  return VELOCITY_UNSUPPORTED;
}

static const velocity_resource_type type = {sizeof type, 0, describe, 0, unsupported, 0, 0, 0, 0, attach, 0, unsupported};
static const velocity_resource_type *const types[] = {&type};

velocity_status velocity_plugin_entry_v1(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply) {
  (void)call, (void)reply;
  plugin->abi_minor = VELOCITY_ABI_MINOR;
  plugin->resource_type_count = 1;
  plugin->resource_types = types;
  return VELOCITY_OK;
}
