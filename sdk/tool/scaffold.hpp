// `velocity-plugin new`: writes a project that builds, passes its tests and explains itself. Included by main.cpp.
#pragma once

#include <string>
#include <vector>

namespace velocity::tool {

struct Template {
  std::string kind;  // vm or resource
  std::string file;  // "source.cpp" is named after the plugin
  std::string text;  // @name@, @source@ and @Class@ stand for the plugin's name
};

std::vector<Template> templates();  // sdk/template

// Writes the project into `directory`, which must not be there. Answers the files; throws std::runtime_error saying why not.
std::vector<std::string> scaffold(const std::string& kind, const std::string& name, const std::string& directory);

}  // namespace velocity::tool
