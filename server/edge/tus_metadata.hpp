// The Upload-Metadata header of tus. Included by the upload routes.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace velocity::edge {

// "key base64,key base64,key" → decoded values by key. Throws Error(request_malformed).
std::map<std::string, std::string> parse_tus_metadata(std::string_view text);

// The other way round.
std::string write_tus_metadata(const std::map<std::string, std::string>& metadata);

}  // namespace velocity::edge
