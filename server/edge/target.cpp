#include "server/edge/target.hpp"

#include <algorithm>
#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/pchars.hpp>
#include <boost/url/url_view.hpp>

#include "framework/model/error.hpp"

namespace velocity::edge {
namespace {

namespace urls = boost::urls;
using model::Error;
using model::ErrorCode;

[[noreturn]] void refuse(const char* why) { throw Error(ErrorCode::request_malformed, why); }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

void append_segment(std::string& path, urls::string_view encoded) {
  const std::string segment = urls::pct_string_view(encoded).decode();
  if (segment == "." || segment == "..") refuse("The path has a dot segment");
  if (std::any_of(segment.begin(), segment.end(), [](char c) { return is_control(c) || c == '/' || c == '\\'; }))
    refuse("The path has a character that no path of this server has");
  path += '/';
  path += urls::encode(segment, urls::pchars);
}

}  // namespace

Target normalise_target(std::string_view target, std::size_t segments) {
  if (target.empty() || target.front() == '?') refuse("The request has no path");
  if (!std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; }))
    refuse("The request target has a character that must be percent-encoded");

  // The query is cut off before parsing: browsers and people send characters there that the grammar forbids and that harm nobody.
  const auto mark = std::min(target.find('?'), target.size());
  const urls::string_view path_part(target.data(), mark);
  const auto parsed = path_part.front() == '/' ? urls::parse_origin_form(path_part) : urls::parse_absolute_uri(path_part);
  if (!parsed) refuse("The request target is not valid");
  if (parsed->has_scheme() && (!parsed->has_authority() || (parsed->scheme() != "http" && parsed->scheme() != "https")))
    refuse("The request target is neither a path nor an http address");

  Target result;
  result.query = target.substr(mark);
  if (parsed->has_scheme()) result.host = std::string_view(parsed->encoded_authority().data(), parsed->encoded_authority().size());

  // Not by the library's segments(): it leaves out a dot segment at the beginning.
  urls::string_view rest = parsed->encoded_path();
  for (std::size_t count = 1; rest.size() > 1; ++count) {
    if (count > segments) refuse("The path has too many segments");
    rest.remove_prefix(1);  // the slash
    const auto piece = rest.substr(0, rest.find('/'));
    if (piece.empty()) refuse("The path has an empty segment");
    append_segment(result.path, piece);
    rest.remove_prefix(piece.size());
  }
  if (result.path.empty()) result.path = "/";
  return result;
}

}  // namespace velocity::edge
