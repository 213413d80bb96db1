/* Never comes back, and leaves a child that would not either. */
#include <unistd.h>
#include <velocity/abi.h>

velocity_status velocity_plugin_entry_v1(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply) {
  (void)call, (void)plugin, (void)reply;
  if (fork() >= 0)
    for (;;) pause();
  return VELOCITY_FAILED;
}
