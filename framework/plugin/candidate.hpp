// A plugin file as it is known without loading it. Included by the registry and by velocity-plugin.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/model/json.hpp"
#include "framework/plugin/refusal.hpp"

namespace velocity::plugin {

struct Manifest {
  std::string name, version, licence;
  int abi_major = 0;
  int abi_minor = 0;                  // the least that it needs
  std::vector<std::string> provides;  // "vm/efi", "resource/disk-image"
  model::Json settings;               // JSON Schema of what it can be told by the administrator; null when it judges that itself
};

struct Candidate {
  std::filesystem::path file;      // absolute
  std::string digest;              // of what the dynamic loader maps, in hexadecimal: two files with the same one run the same code
  Manifest manifest;               // as far as it could be read
  std::optional<Refusal> refusal;  // why it must not be loaded
};

// Looks at the file: may it be trusted, is it whole, does it have a manifest that this server can serve. Runs nothing of it.
Candidate examine(const std::filesystem::path& file);

// What plugins and types are called: a lower-case letter, then letters, digits and '-', 32 characters at most.
bool is_label(std::string_view text);

}  // namespace velocity::plugin
