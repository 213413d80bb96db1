/* The contract between the server and a plugin, in C99: all that crosses the boundary. Included by plugins (C++ authors take
 * plugin.hpp, which is built on this) and by the room that loads them.
 *
 * Rules
 *  1. Each table begins with struct_size, what its maker knew. Tables only grow at the end; a new field is a new minor version.
 *     Read a field only after VELOCITY_HAS() says that the other side knew it. A null function is one that is not offered.
 *  2. Nothing is owned across the boundary: what is passed in is borrowed until the call returns, what comes out is written
 *     to the caller's sink and copied there.
 *  3. No exception, longjmp or C++ type crosses.
 *  4. Every text is UTF-8 with its length and no terminator. Requests and replies are JSON.
 *  5. Operations are called from any thread, several at once. `self` is the plugin's own and lives until the process ends;
 *     a plugin is never unloaded and starts no threads of its own.
 *
 * The ABI's major version is in the name of the one symbol that a plugin exports. */
#ifndef VELOCITY_ABI_H
#define VELOCITY_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VELOCITY_ABI_MAJOR 1u
#define VELOCITY_ABI_MINOR 0u
#define VELOCITY_ENTRY_SYMBOL "velocity_plugin_entry_v1"

/* The manifest: an ELF note in a PT_NOTE segment, its description a JSON object. velocity_add_plugin() makes it.
 * {"name","version","licence","abi":{"major","minor"},"provides":["vm/efi","resource/disk-image"]}; abi.minor is the least that the plugin needs. */
#define VELOCITY_NOTE_OWNER "Velocity"
#define VELOCITY_NOTE_MANIFEST 0x564c0001u

#define VELOCITY_EXPORT __attribute__((visibility("default")))

typedef struct velocity_text {
  const char *data;
  uint64_t size;
} velocity_text;

/* Where an operation writes its reply, in as many pieces as it likes. The server keeps a bounded part. */
typedef struct velocity_sink {
  uint64_t struct_size;
  void *context;
  void (*write)(void *context, velocity_text piece);
} velocity_sink;

typedef int32_t velocity_status;
enum {
  VELOCITY_OK = 0,          /* the reply is the operation's */
  VELOCITY_INVALID = 1,     /* the input is wrong: {"problems":[{"path":"/size_mb","message":"must be …"}]}, all of them at once */
  VELOCITY_FAILED = 2,      /* anything else: {"message":"…"}, for the log */
  VELOCITY_UNSUPPORTED = 3  /* as if the operation were not offered */
};

enum { VELOCITY_LOG_TRACE = 0, VELOCITY_LOG_DEBUG = 1, VELOCITY_LOG_INFO = 2, VELOCITY_LOG_WARNING = 3, VELOCITY_LOG_ERROR = 4 };

/* What the server lends for the time of one call, and all that a plugin may reach. Not to be kept. */
typedef struct velocity_call {
  uint64_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  void *context;
  void (*log)(void *context, int32_t level, velocity_text message);
  /* volume.create {"rid","format","size_mb"}, volume.clone {"rid","source","linked","size_mb" (of another size than the source)}, volume.grow
   * {"rid","size_mb"} (also while a machine runs with it), volume.remove {"rid"}, directory.create {"rid"}, directory.remove {"rid"} (a private directory
   * on the host, for sockets): all idempotent. host.interfaces {} -> {"interfaces":[{"key","name","joint":"bridge"|"macvtap","mac_address",
   * "mtu","up"}]}, what guests may be bridged to; the key stays the same for the same thing. Fails with {"message"}. */
  velocity_status (*service)(void *context, velocity_text name, velocity_text request_json, const velocity_sink *reply);
} velocity_call;

/* The one shape of every operation. */
typedef velocity_status (*velocity_operation)(void *self, const velocity_call *call, velocity_text request_json, const velocity_sink *reply);

/* "host" is {"arch","acceleration":"kvm"|"tcg","domain_type":"kvm"|"qemu"|"test","privileged":whether it may do what is root's}.
 * "fragments" is [{"section":"os"|"cpu"|"features"|"clock"|"sysinfo"|"devices"|"extensions","xml":"<…/>"}]: libvirt domain XML; the server writes name,
 * uuid, memory, vcpu, emulator, serial port, graphics, memballoon and rng itself. "extensions" are elements of our own for what libvirt has
 * no word for; docs/plugin-authors.md lists them. "spec" is an object of the type's own fields.
 * "resources": a type whose capabilities have "resources":{field:{"kind":"storage"|"nic"}} may be given the id of a resource in those fields of
 * its spec. The server looks whether the caller may use each, counts it as used, and hands over {field:{"rid","type","spec","path","head"}}:
 * its file, if it has one, and the first 4 KiB of that in base64 ("head" in validate alone, "path" in all others).
 * "files" is [{"name","kind","content"}]: the server makes them in vm.directory before each start, readable by the machine alone, and a fragment
 * may name them; kind "iso9660" with {"label","entries":{name:text}}, kind "apple-smc" with {"key"}. What is in them appears nowhere else.
 * Capabilities may have "confidential":[field]: those of a spec's fields that only who may alter the machine is shown. */
typedef struct velocity_vm_type {
  uint64_t struct_size;
  void *self;
  velocity_operation describe;   /* {} -> {"type","title","schema" (JSON Schema draft 7),"examples":[spec],"capabilities":{}}; required */
  velocity_operation host_check; /* {"host"} -> {"available","why_not"}; default: available */
  velocity_operation validate;   /* {"spec","resources"} -> {"spec"}, normalised; default: as it is */
  velocity_operation plan;       /* {"vm":{"vmid","name","cpu_count","memory_size_mb","displays","directory"},"spec","resources","host"} -> {"fragments","files"};
                                  required, pure */
  velocity_operation update;     /* {"old","new"}, two specs -> {"live":[path]}: the changes that a running machine follows; default: none */
  velocity_operation lifecycle;  /* {"vm":{"vmid"},"event":"created"|"started"|"stopped"|"removed"} -> {}; reserved: not called yet */
} velocity_vm_type;

typedef struct velocity_resource_type {
  uint64_t struct_size;
  void *self;
  velocity_operation describe;   /* as above; capabilities has "kind": "storage"|"nic"; required */
  velocity_operation host_check; /* as above */
  velocity_operation validate;   /* as above */
  /* {"host"} -> {"items":[{"id","label","spec"}]}: what the host has by itself. Each becomes a resource of the group root, the same one for as
   * long as the plugin gives it the same id. Called again whenever the host's interfaces change; default: nothing is found */
  velocity_operation enumerate;
  velocity_operation create;     /* {"rid","spec","resources"} -> {}; idempotent; default: nothing to do */
  velocity_operation remove;     /* {"rid","spec"} -> {}; idempotent; default: nothing to do */
  velocity_operation inspect;    /* {"rid","spec","directory"} -> what clients are shown beside the spec; pure; default: nothing */
  /* {"rid","spec","path","directory","options","index","vm":{"vmid"},"host"} -> {"fragments"}; required, pure */
  velocity_operation attach;
  velocity_operation cost;       /* {"spec"} -> {dimension: whole number}, for the quota; default: nothing */
  velocity_operation alter;      /* {"rid","old","new"}, two specs -> {}; idempotent; default: the type's fields cannot be altered */
} velocity_resource_type;

typedef struct velocity_plugin {
  uint64_t struct_size;
  uint32_t abi_minor; /* of the header it was compiled with */
  uint32_t vm_type_count;
  uint32_t resource_type_count;
  uint32_t reserved; /* 0 */
  const velocity_vm_type *const *vm_types;
  const velocity_resource_type *const *resource_types;
  void *self;
  velocity_operation configure; /* the administrator's settings, an object -> {}; called once, before describe; default: none taken */
} velocity_plugin;

/* Fills *plugin, whose struct_size says how much of it the server knows: write no more. The tables live until the process ends.
 * On failure the reply is {"message"}. */
typedef velocity_status (*velocity_plugin_entry)(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply);
VELOCITY_EXPORT velocity_status velocity_plugin_entry_v1(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply);

/* Whether the maker of *table knew the field and offers it. */
#define VELOCITY_HAS(table, field)                                                                                                 \
  ((table)->struct_size >= (uint64_t)((const char *)&(table)->field - (const char *)(table)) + (uint64_t)sizeof((table)->field) && \
   (table)->field != 0)

#ifdef __cplusplus
}
#endif

#endif
