// Makes a small CD image (ISO 9660 with Rock Ridge and Joliet names) out of texts, and puts files in place whole. The only code that
// includes libarchive. Included by the service that makes machines' files.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace velocity::storage {

// The image's bytes: `entries` are its files, by name, all in its root. Nothing but the date of its making is different in a second one.
// Throws Error(storage_failed) for a label or a name that the format cannot hold.
std::string seed_image(const std::string& label, const std::map<std::string, std::string>& entries);

// Replaces `file` at once, 0600, flushed to the disk: whoever opens it sees the old content or the new.
void write_private_file(const std::filesystem::path& file, std::string_view content);

}  // namespace velocity::storage
