// Reads an archive back: the files that can hold what is asked for, and of these the lines.
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

/// Hands over each line of a file, without its newline, in order. An error of `each` ends it.
/// Errors: as ArchiveTarget's, kCorrupt (the file is cut off, or a line has no end).
Status read_lines(ArchiveTarget& target, const ArchivedFile& file,
                  const std::function<Status(std::string_view line)>& each);

/// The files of some hours, by the times at which their lines were made.
///
/// A file's hour is Kafka's: that of its first record. Its lines are as old or older, for a line
/// reaches Kafka after it was made: files before `since` hold none that is asked for, and those of
/// `late_hours` behind `until` may.
struct TimeRange {
  std::optional<int64_t> since_ms, until_ms;  ///< [since, until)
  int64_t late_hours = 2;

  FileQuery query(const std::string& topic) const;
  bool holds(int64_t ms) const;
};

}  // namespace longshore::archive
