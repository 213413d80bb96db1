// The files in which machines keep their firmware's variables. Included by the services that keep and copy machines.
#pragma once

#include <filesystem>

namespace velocity::service {

// Whole or not at all. A source that is not there leaves no copy either: the firmware then begins with its template. Error(storage_failed).
void copy_variables(const std::filesystem::path& from, const std::filesystem::path& to);

void remove_variables(const std::filesystem::path& file);  // absent is success

}  // namespace velocity::service
