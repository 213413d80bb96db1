// Where plugins are and what is set about them, as the server finds it. Included by the composition root, and by velocity-plugin, which says what the
// server makes of each.
#pragma once

#include "framework/plugin/registry.hpp"
#include "server/daemon/installation.hpp"
#include "server/daemon/settings.hpp"

namespace velocity::daemon {

// The settings over the installation's own places, with plugins.d read. There is no cache of verdicts in it: that is the state directory's.
plugin::RegistrySettings plugin_settings(const Settings& settings, const Installation& installation);

}  // namespace velocity::daemon
