// The tables, as a list of migrations. Included by database.cpp and the migration's tests.
#pragma once

#include <span>

namespace velocity::store {

// Migration N brings a database from user_version N to N+1. Released entries are never edited.
std::span<const char* const> migrations();

}  // namespace velocity::store
