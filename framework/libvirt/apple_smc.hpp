// What QEMU is told of an Apple system management controller, in a file, so that its key stands on no command line and in no domain's XML.
// Included by the service that makes machines' files.
#pragma once

#include <string>
#include <string_view>

namespace velocity::libvirt {

// The content of the file that the extension <appleSmc config='…'/> names. The key has no quotation mark: there is no way to write one.
std::string apple_smc_configuration(std::string_view key);

}  // namespace velocity::libvirt
