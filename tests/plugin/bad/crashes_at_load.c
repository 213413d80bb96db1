/* Dies of a signal before anyone calls it. */
#include <signal.h>
#include <velocity/abi.h>

__attribute__((constructor)) static void die(void) { raise(SIGSEGV); }

velocity_status velocity_plugin_entry_v1(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply) {
  (void)call, (void)plugin, (void)reply;
  return VELOCITY_FAILED;
}
