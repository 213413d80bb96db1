/* The least VM type, in C over abi.h alone: what no change of the contract may ever break. */
#include <string.h>
#include <velocity/abi.h>

static velocity_status say(const velocity_sink *reply, const char *text) {
  velocity_text piece = {text, strlen(text)};
  if (VELOCITY_HAS(reply, write)) reply->write(reply->context, piece);
  return VELOCITY_OK;
}

static velocity_status describe(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  (void)self, (void)call, (void)request;
  return say(reply, "{\"type\":\"" SAMPLE_TYPE "\",\"title\":\"Sample\",\"schema\":{\"type\":\"object\",\"additionalProperties\":false},\"examples\":[{}]}");
}

static velocity_status plan(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  (void)self, (void)call, (void)request;
  return say(reply, "{\"fragments\":[{\"section\":\"os\",\"xml\":\"<os><type>hvm</type></os>\"}]}");
}

static const velocity_vm_type type = {sizeof type, 0, describe, 0, 0, plan, 0, 0};
static const velocity_vm_type *const types[] = {&type};

velocity_status velocity_plugin_entry_v1(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply) {
  (void)call, (void)reply;
  plugin->abi_minor = VELOCITY_ABI_MINOR;
  plugin->vm_type_count = 1;
  plugin->vm_types = types;
  return VELOCITY_OK;
}
