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
  Hour hour;         ///< As far as the layout tells it.
  int64_t bytes = 0;
};

/// The files, in no order. Lists only folders that may hold such files. An archive that does not
/// exist has no files. Errors: as ArchiveTarget's.
Result<std::vector<ArchivedFile>> find_files(ArchiveTarget& target, const Layout& layout,
                                             const FileQuery& query);

/// The topics that were ever archived here, sorted, as names show them. Errors: kNotFound: there is
/// no such folder; else as ArchiveTarget's.
Result<std::vector<std::string>> find_topics(ArchiveTarget& target);

/// Says why there are no files for `query`: the archive is not there, it has other topics, other
/// hours or another layout. Errors: that sentence: kNotFound if only the hours have none, kInvalid
/// otherwise; else as ArchiveTarget's.
Error why_no_files(ArchiveTarget& target, const Layout& layout, const FileQuery& query,
                   const std::string& url);

/// Sorts for reading: by hour, and each partition by offset even where the hours of its folders are
/// out of order.
void sort_for_reading(std::vector<ArchivedFile>& files);

/// Problems of the offset ranges of a topic's files (holes, overlaps), one sentence each.
std::vector<std::string> find_tiling_faults(const std::vector<ArchivedFile>& files);

}  // namespace longshore::archive
