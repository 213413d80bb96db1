/* Says that it cannot work. */
#include <string.h>
#include <velocity/abi.h>

velocity_status velocity_plugin_entry_v1(const velocity_call *call, velocity_plugin *plugin, const velocity_sink *reply) {
  static const char text[] = "{\"message\":\"the moon is not full\"}";
  velocity_text piece = {text, sizeof text - 1};
  (void)call, (void)plugin;
  reply->write(reply->context, piece);
  return VELOCITY_FAILED;
}
