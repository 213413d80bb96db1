// The header fields Range and If-Range (RFC 9110, 13.1.5 and 14.2), one range at most. Included by what serves files.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace velocity::edge {

struct ByteRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// Nothing: the whole is to be sent, because no range was asked for, or one that is not understood, or more than one. Throws
// Error(request_range) when it lies behind the end.
std::optional<ByteRange> find_range(std::string_view range, std::int64_t size);

}  // namespace velocity::edge
