/* The layout of ABI 1.0 as it was released: compiled in the tests, it fails the build when a field moves. Never changed; a new minor
 * version gets a file of its own beside it. Tables may only have grown since. */
#include <stddef.h>
#include <velocity/abi.h>

#define FIELD(type, field, offset, size) \
  _Static_assert(offsetof(type, field) == (offset) && sizeof(((type *)0)->field) == (size), "ABI 1.0: " #type "." #field " has moved")
#define LEAST(type, size) _Static_assert(sizeof(type) >= (size), "ABI 1.0: " #type " has shrunk")

FIELD(velocity_text, data, 0, 8);
FIELD(velocity_text, size, 8, 8);
LEAST(velocity_text, 16);

FIELD(velocity_sink, struct_size, 0, 8);
FIELD(velocity_sink, context, 8, 8);
FIELD(velocity_sink, write, 16, 8);
LEAST(velocity_sink, 24);

FIELD(velocity_call, struct_size, 0, 8);
FIELD(velocity_call, abi_major, 8, 4);
FIELD(velocity_call, abi_minor, 12, 4);
FIELD(velocity_call, context, 16, 8);
FIELD(velocity_call, log, 24, 8);
FIELD(velocity_call, service, 32, 8);
LEAST(velocity_call, 40);

FIELD(velocity_vm_type, struct_size, 0, 8);
FIELD(velocity_vm_type, self, 8, 8);
FIELD(velocity_vm_type, describe, 16, 8);
FIELD(velocity_vm_type, host_check, 24, 8);
FIELD(velocity_vm_type, validate, 32, 8);
FIELD(velocity_vm_type, plan, 40, 8);
FIELD(velocity_vm_type, update, 48, 8);
FIELD(velocity_vm_type, lifecycle, 56, 8);
LEAST(velocity_vm_type, 64);

FIELD(velocity_resource_type, struct_size, 0, 8);
FIELD(velocity_resource_type, self, 8, 8);
FIELD(velocity_resource_type, describe, 16, 8);
FIELD(velocity_resource_type, host_check, 24, 8);
FIELD(velocity_resource_type, validate, 32, 8);
FIELD(velocity_resource_type, enumerate, 40, 8);
FIELD(velocity_resource_type, create, 48, 8);
FIELD(velocity_resource_type, remove, 56, 8);
FIELD(velocity_resource_type, inspect, 64, 8);
FIELD(velocity_resource_type, attach, 72, 8);
FIELD(velocity_resource_type, cost, 80, 8);
FIELD(velocity_resource_type, alter, 88, 8);
LEAST(velocity_resource_type, 96);

FIELD(velocity_plugin, struct_size, 0, 8);
FIELD(velocity_plugin, abi_minor, 8, 4);
FIELD(velocity_plugin, vm_type_count, 12, 4);
FIELD(velocity_plugin, resource_type_count, 16, 4);
FIELD(velocity_plugin, reserved, 20, 4);
FIELD(velocity_plugin, vm_types, 24, 8);
FIELD(velocity_plugin, resource_types, 32, 8);
FIELD(velocity_plugin, self, 40, 8);
FIELD(velocity_plugin, configure, 48, 8);
LEAST(velocity_plugin, 56);

_Static_assert(VELOCITY_ABI_MAJOR == 1, "ABI 1.0: another major version needs another entry symbol");
_Static_assert(VELOCITY_OK == 0 && VELOCITY_INVALID == 1 && VELOCITY_FAILED == 2 && VELOCITY_UNSUPPORTED == 3, "ABI 1.0: a status has changed");
_Static_assert(sizeof(velocity_status) == 4 && VELOCITY_NOTE_MANIFEST == 0x564c0001u, "ABI 1.0: a constant has changed");
