// Throws while the dynamic loader runs its static constructors.
#include <velocity/abi.h>

#include <stdexcept>

namespace {
int fail() { throw std::runtime_error("out of a static constructor"); }
const int kNever = fail();
}  // namespace

extern "C" VELOCITY_EXPORT velocity_status velocity_plugin_entry_v1(const velocity_call*, velocity_plugin*, const velocity_sink*) { return kNever; }
