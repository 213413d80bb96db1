// Why a plugin file is not loaded, in a form that a person can act on. Included by this room and by velocity-plugin.
#pragma once

#include <string>

namespace velocity::plugin {

struct Refusal {
  std::string code;   // stable: plugin.truncated
  std::string cause;  // a sentence, without the file's name
  std::string fix;    // what to do about it
};

}  // namespace velocity::plugin
