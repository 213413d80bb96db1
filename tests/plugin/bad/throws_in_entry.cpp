// Lets an exception out of its entry function.
#include <velocity/abi.h>

#include <stdexcept>

extern "C" VELOCITY_EXPORT velocity_status velocity_plugin_entry_v1(const velocity_call*, velocity_plugin*, const velocity_sink*) {
  throw std::runtime_error("out of the entry");
}
