// Finds the files of an archive by their names, without opening one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "integrations/archive/archive_name.h"
#include "integrations/archive/targets/target.h"

namespace longshore::archive {

struct FileQuery {
  std::optional<std::string> topic = {};   ///< Empty: all.
  std::optional<Hour> from = {}, to = {};  ///< Hours of the folders, both included.
};

struct ArchivedFile {
  ArchiveName name;
  std::string path;  ///< From the archive's root.
  Hour hour;         ///< As far as the layout says it.
  int64_t bytes = 0;
};

/// In no order. Only folders that may hold what is asked for are listed. An archive that is not
/// there has no files. Errors: as ArchiveTarget's.
Result<std::vector<ArchivedFile>> find_files(ArchiveTarget& target, const Layout& layout,
                                             const FileQuery& query);

/// Sorts for reading: hours in their order, and within each partition by offset, whatever hour the
/// folders of its files say.
void sort_for_reading(std::vector<ArchivedFile>& files);

/// What is wrong with the ranges of a topic's files: holes, overlaps; one sentence each.
std::vector<std::string> find_tiling_faults(const std::vector<ArchivedFile>& files);

}  // namespace longshore::archive
