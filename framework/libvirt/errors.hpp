// The wall where libvirt's errors become ours. Included by this room only.
#pragma once

#include <string_view>

#include "framework/model/error.hpp"

namespace velocity::libvirt {

// libvirt keeps its last error by thread: call this in the statement after the call that failed. `call` is the libvirt function; it and
// libvirt's own text go into detail().
model::Error last_error(std::string_view call);

// Which of our codes a virErrorNumber from a virErrorDomain is.
model::ErrorCode error_code(int number, int domain);

}  // namespace velocity::libvirt
