// `velocity-plugin test`: runs the conformance suite and says what came of it. Included by main.cpp.
#pragma once

#include "sdk/conformance/suite.hpp"

namespace velocity::tool {

// The program's exit status: 0 when no check failed.
int test(const conformance::Options& options, bool json);

}  // namespace velocity::tool
