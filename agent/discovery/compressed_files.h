// The compressed files of a log. A rotator that compresses at once replaces a file under its
// identity by another one, so what followed the last known generation may exist only compressed.
// Names and times find candidates here; the tail compares their content.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/discovery/known_sources.h"
#include "agent/discovery/rotation.h"
#include "agent/files/container_fs.h"
#include "agent/files/decompressor.h"

namespace longshore::agent {

/// Whether `file` is compressed and belongs to a log that is known or stands in `found_paths`; else
/// it is a log of its own.
bool is_compressed_of(const KnownSources& sources, const FoundFile& file, Stream stream,
                      const std::unordered_set<std::string_view>& found_paths);

/// Adds to `next` the compressed files that may be the newest known generation of `source`, which
/// is not in the directory of `file` any more, or have come after it. `next` ends with `file`.
void add_compressed(const KnownSources& sources, const KnownSource& source, const FoundFile& file,
                    DirectoryLook& look, std::vector<NextGeneration>& next);

/// How `file` is compressed, by its name and its first bytes. Empty: it is so short that it is not
/// known yet; look again later.
std::optional<Compression> compression_of(const Fd& file, std::string_view file_name);

}  // namespace longshore::agent
