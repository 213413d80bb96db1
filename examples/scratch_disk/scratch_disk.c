/* The resource type scratch-disk: a raw disk for what may be lost. Its writes are cached as the host likes (cache=unsafe), which makes them quick. */
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <velocity/abi.h>

#define MAX_SIZE_MB 65536

static velocity_status say(const velocity_sink *reply, velocity_status status, const char *text) {
  velocity_text piece = {text, strlen(text)};
  if (VELOCITY_HAS(reply, write)) reply->write(reply->context, piece);
  return status;
}

static velocity_status fail(const velocity_sink *reply, const char *text) { return say(reply, VELOCITY_FAILED, text); }

/* The request as JSON: null for what is none, or when memory has ended. To be freed by cJSON_Delete(). */
static cJSON *parse(velocity_text request) {
  cJSON *json = cJSON_ParseWithLength(request.data, (size_t)request.size);
  if (json && !cJSON_IsObject(json)) {
    cJSON_Delete(json);
    return 0;
  }
  return json;
}

static const char *text_of(const cJSON *object, const char *field) {
  const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, field);
  return cJSON_IsString(value) ? value->valuestring : 0;
}

/* A whole number, or -1. */
static long number_of(const cJSON *object, const char *field, long most) {
  const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, field);
  if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= (double)most)) return -1;
  return (long)value->valuedouble == value->valuedouble ? (long)value->valuedouble : -1;
}

static const cJSON *spec_of(const cJSON *request) { return cJSON_GetObjectItemCaseSensitive(request, "spec"); }

static velocity_status describe(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  (void)self, (void)call, (void)request;
  return say(reply, VELOCITY_OK,
             "{\"type\":\"scratch-disk\",\"title\":\"Scratch disk\",\"capabilities\":{\"kind\":\"storage\"},\"examples\":[{\"size_mb\":64}],"
             "\"schema\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"size_mb\"],"
             "\"properties\":{\"size_mb\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65536,\"title\":\"Size in MiB\","
             "\"description\":\"what is on it may be lost when the host stops\"}}}}");
}

/* Asks the server for the file. Idempotent, as the server's own services are. */
static velocity_status create(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  char asked[256];
  const velocity_text service = {"volume.create", 13};
  velocity_text text = {asked, 0};
  velocity_sink nowhere = {sizeof nowhere, 0, 0};
  cJSON *json = parse(request);
  const char *rid = text_of(json, "rid");
  const long size = number_of(spec_of(json), "size_mb", MAX_SIZE_MB);
  (void)self;
  if (rid && strlen(rid) == 36 && size > 0) /* a UUID */
    text.size = (uint64_t)snprintf(asked, sizeof asked, "{\"rid\":\"%s\",\"format\":\"raw\",\"size_mb\":%ld}", rid, size);
  cJSON_Delete(json);
  if (text.size == 0) return fail(reply, "{\"message\":\"the request makes no sense\"}");
  if (!VELOCITY_HAS(call, service) || call->service(call->context, service, text, &nowhere) != VELOCITY_OK)
    return fail(reply, "{\"message\":\"the server did not make the file\"}");
  return say(reply, VELOCITY_OK, "{}");
}

static velocity_status remove_disk(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  char asked[128];
  const velocity_text service = {"volume.remove", 13};
  velocity_text text = {asked, 0};
  velocity_sink nowhere = {sizeof nowhere, 0, 0};
  cJSON *json = parse(request);
  const char *rid = text_of(json, "rid");
  (void)self;
  if (rid && strlen(rid) == 36) text.size = (uint64_t)snprintf(asked, sizeof asked, "{\"rid\":\"%s\"}", rid);
  cJSON_Delete(json);
  if (text.size == 0) return fail(reply, "{\"message\":\"the request makes no sense\"}");
  if (!VELOCITY_HAS(call, service) || call->service(call->context, service, text, &nowhere) != VELOCITY_OK)
    return fail(reply, "{\"message\":\"the server did not remove the file\"}");
  return say(reply, VELOCITY_OK, "{}");
}

/* Writes a text into XML so that it stays a text. Whether it fitted. */
static int escape(char *out, size_t room, const char *text) {
  size_t used = 0;
  for (; *text; ++text) {
    char plain[2] = {*text, 0};
    const char *written = plain;
    if ((unsigned char)*text < 0x20) return 0;
    if (*text == '&') written = "&amp;";
    if (*text == '<') written = "&lt;";
    if (*text == '>') written = "&gt;";
    if (*text == '"') written = "&quot;";
    if (*text == '\'') written = "&apos;";
    if (used + strlen(written) >= room) return 0;
    memcpy(out + used, written, strlen(written));
    used += strlen(written);
  }
  out[used] = 0;
  return 1;
}

static velocity_status attach(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  char path[4096], xml[5120];
  cJSON *json = parse(request), *answer = 0, *fragments, *fragment;
  const char *file = text_of(json, "path");
  const long index = number_of(json, "index", 25); /* vda to vdz */
  char *text = 0;
  velocity_status status;
  (void)self, (void)call;
  if (file && index >= 0 && escape(path, sizeof path, file)) {
    snprintf(xml, sizeof xml,
             "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe' discard='unmap'/><source file='%s'/><backingStore/>"
             "<target dev='vd%c' bus='virtio'/></disk>",
             path, (char)('a' + index));
    answer = cJSON_CreateObject();
    fragments = cJSON_AddArrayToObject(answer, "fragments");
    fragment = cJSON_CreateObject();
    if (cJSON_AddStringToObject(fragment, "section", "devices") && cJSON_AddStringToObject(fragment, "xml", xml) &&
        cJSON_AddItemToArray(fragments, fragment))
      text = cJSON_PrintUnformatted(answer);
    else
      cJSON_Delete(fragment);
  }
  status = text ? say(reply, VELOCITY_OK, text) : fail(reply, "{\"message\":\"the request makes no sense, or memory has ended\"}");
  cJSON_free(text);
  cJSON_Delete(answer);
  cJSON_Delete(json);
  return status;
}

static velocity_status cost(void *self, const velocity_call *call, velocity_text request, const velocity_sink *reply) {
  char answer[64];
  cJSON *json = parse(request);
  const long size = number_of(spec_of(json), "size_mb", MAX_SIZE_MB);
  (void)self, (void)call;
  cJSON_Delete(json);
  if (size < 0) return fail(reply, "{\"message\":\"the request makes no sense\"}");
  snprintf(answer, sizeof answer, "{\"storage_mb\":%ld}", size);
  return say(reply, VELOCITY_OK, answer);
}

/* What is null is not offered, and has its default: the schema says all that there is to validate. */
static const velocity_resource_type type = {sizeof type, 0, describe, 0, 0, 0, create, remove_disk, 0, attach, cost, 0};
static const velocity_resource_type *const types[] = {&type};

velocity_status velocity_plugin_entry_v1(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply) {
  (void)call, (void)reply;
  plugin->abi_minor = VELOCITY_ABI_MINOR;
  plugin->resource_type_count = 1;
  plugin->resource_types = types;
  return VELOCITY_OK;
}
