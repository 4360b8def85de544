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

/// Whether "app.log.1.gz" would follow the log "app.log.1" while "app.log" is known: then it is
/// what that one was rotated to. (A copy that was taken for a log of its own has such a name.)
bool is_of_shorter_name(const KnownSources& sources, const KnownSource& source,
                        const std::string& file_name);

/// Adds to `next` the compressed files that may be the newest known generation of `source`, which
/// is not in the directory of `file` any more, or have come after it. `next` ends with `file`.
void add_compressed(const KnownSources& sources, const KnownSource& source, const FoundFile& file,
                    DirectoryLook& look, std::vector<NextGeneration>& next);

/// How `file` is compressed, by its name and its first bytes. Empty: it is being made; look again
/// later. Either it is so short that its format is not known yet, or it is compressed and has a
/// name that does not say so: kubelet compresses "0.log.1" to "0.log.1.tmp" and renames that.
std::optional<Compression> compression_of(const Fd& file, std::string_view file_name);

/// Whether a rotator is writing `file`, a compressed one, under a name that it will not keep: it is
/// no log, and no generation of one. REQUIRES: it is not known as a generation.
bool is_being_made(const Fd& directory, const NamedFile& file, int64_t wall_ns);
/// Whether a file that was born then may still be one.
bool may_be_making(const checkpoint::FileFacts& facts, int64_t wall_ns);

}  // namespace longshore::agent
