// Reads an archive back: finds the files that may hold what is asked for, and reads their lines.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "integrations/archive/archive_files.h"
#include "integrations/archive/archive_line.h"
#include "integrations/archive/codec.h"

namespace longshore::archive {

/// Calls `each` for every line of a file, without its newline, in order, until it returns an error.
/// Proves that the file is whole: its frames, its last line, and the number of lines that its name
/// tells. (A name of an older version tells none, only that there is at least one.)
/// While nothing was read yet, it retries for some seconds an archive that is starting.
/// Errors: kCorrupt: the file is damaged, cut off or gone, or cannot be read though the archive
/// answers: other files may be whole. Else as `each`'s and ArchiveTarget's.
Status read_lines(ArchiveTarget& target, const ArchivedFile& file,
                  const std::function<Status(std::string_view line)>& each);

/// The same for the sealed spool file `fd`, as far as its frames and lines prove it.
Status read_spool(int fd, Codec codec, const std::function<Status(std::string_view line)>& each);

/// The files of some hours, by the times at which their lines were made.
///
/// A file belongs to the hour in which its first record reached Kafka. Lines are older than that: a
/// line reaches Kafka after it was written. So files before `since` hold no line of the range, but
/// files up to `late_hours` after `until` may.
struct TimeRange {
  std::optional<int64_t> since_ms, until_ms;  ///< [since, until)
  int64_t late_hours = 2;

  FileQuery query(const std::string& topic) const;
  bool holds(int64_t ms) const;
};

}  // namespace longshore::archive
