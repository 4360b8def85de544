// Decides which file is which generation of which source: whether a file has been rotated, and in
// which order the files of a source are read. Changes nothing; the caller opens the files that it
// is told to open.
//
//   FoundFile, DirectoryLook, KnownSources --> Rotation --> NextGeneration, oldest first
//
// The evidence, strongest first: identity (a known file stays what it was under any name); time
// (the generations of a log are written one after the other, so a file that was written to while
// another had the log's name is a log of its own); names, which only find candidates. Their order
// is that of their births, never of their numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "agent/discovery/directory_look.h"
#include "agent/discovery/known_sources.h"
#include "agent/files/container_fs.h"
#include "agent/link/messages.h"
#include "config/clock.h"

namespace longshore::agent {

/// A file to be opened as the next generation of a source.
struct NextGeneration {
  NamedFile file;
  uint64_t start_offset = 0;    ///< Where to begin if the source has never been read.
  Step step = Step::kAdjacent;  ///< From its predecessor.
  std::shared_ptr<const OpenFile> open = nullptr;  ///< If it is open already.
  const char* why = "it has the log's name";       ///< The evidence, for whoever asks.
};

/// In the order in which they are to be read. Empty: the directory changes so fast that the order
/// is not certain, or it is not certain yet which they are; look again later.
using NextGenerations = std::optional<std::vector<NextGeneration>>;

/// What becomes of a file that a declaration names.
struct Belonging {
  /// Its source, which may be its own. Empty: it is a rotated file of a log that is known or was
  /// found, and is read as part of that one.
  std::optional<SourceId> source = {};
  /// The log that it may be a copy of: it was written while that log stood beside it. Only the
  /// content tells.
  std::optional<SourceId> copy_of = {};
  bool is_undecided = false;  ///< Look again soon; see Lineage::kWait.
};

/// Whether a file is an earlier generation of a log.
enum class Lineage : uint8_t {
  kEarlier,
  kOther,
  kWait,  ///< Some process still writes to it, shortly after the log's file was born: it may not
          ///< have learned of the rotation yet.
};

/// The facts that tell the age of a log's file. Compressing makes a younger file, which keeps the
/// time of the last write; when the other one was born is not known any more.
checkpoint::FileFacts times_of(const NamedFile& file);

/// How well it is known that nothing came between the newest generation of `source`, if it was
/// found, and `later`. `is_last`: that has the log's name.
Step step_between(const KnownSource& source, const std::optional<checkpoint::FileFacts>& earlier,
                  const checkpoint::FileFacts& later, bool is_last);

/// Thread: the watch loop.
class Rotation {
 public:
  /// What was written before `alive_ns` was seen by an agent, or is history.
  Rotation(const KnownSources& sources, int64_t alive_ns, const Clock& clock)
      : sources_(sources), alive_ns_(alive_ns), clock_(clock) {}

  /// `found_paths`: of the files that were found together.
  Belonging source_of(const FoundFile& file, Stream stream,
                      const std::unordered_set<std::string_view>& found_paths) const;

  /// What follows the newest known generation of `source`; `file`, which has the log's name now,
  /// comes last. If nobody follows the source, that newest generation is the checkpoint's and not
  /// open yet, so it comes first. `open`: that file, if it is open.
  NextGenerations after_newest(const KnownSource& source, const Declaration& declaration,
                               const FoundFile& file,
                               const std::optional<checkpoint::FileFacts>& open,
                               DirectoryLook& look) const;

  /// All of a source that was never read and begins at `offset` of `file`.
  NextGenerations of_new_source(const Declaration& declaration, const FoundFile& file,
                                uint64_t offset, DirectoryLook& look) const;

  /// The files that `file` was rotated to and that nobody has read, oldest first; see
  /// of_new_source().
  std::optional<std::vector<NamedFile>> unread(const Declaration& declaration,
                                               const FoundFile& file, DirectoryLook& look) const;

  /// The file in `directory` in which `source` continues when its log no longer has its name: the
  /// newest generation under another name unless it is open, or else the newest file that it was
  /// rotated to since.
  std::optional<NamedFile> renamed_to(const KnownSource& source, const Fd& directory,
                                      DirectoryLook& look) const;

  /// The newest of `rotated` if it came after every known generation of `source`; else nullptr.
  const NamedFile* successor(const KnownSource& source,
                             const std::vector<NamedFile>& rotated) const;

  /// What may be copies in `directory` that logrotate's copytruncate left of `source`, oldest
  /// first: those of its rotated files that belong to no source, and that were written at once.
  /// Empty: files are being renamed so fast that one may be missing.
  std::optional<std::vector<NamedFile>> copies_of(const KnownSource& source,
                                                  const Fd& directory) const;

 private:
  SourceId id_of(const FoundFile& file, Stream stream) const;
  bool is_known(const checkpoint::FileIdentity& file, Stream stream) const {
    return sources_.source_of(file, stream).has_value();
  }
  Lineage lineage_of(const KnownSource* log, const std::string& base, const FoundFile& file,
                     const std::optional<checkpoint::FileFacts>& present) const;
  Lineage lineage_of_new(const std::string& base, const Fd& directory, const NamedFile& file,
                         const checkpoint::FileFacts& present) const;
  void leave_out_unmade(const Fd& directory, Stream stream, int64_t since_ns,
                        std::vector<NamedFile>& files) const;
  std::optional<std::vector<NamedFile>> rotated_of(const KnownSource& source, const Fd& directory,
                                                   DirectoryLook& look) const;
  Lineage unless_written(const Fd& directory, const NamedFile& file,
                         const checkpoint::FileFacts& present) const;
  Lineage lineage_of(const Declaration& declaration, const Fd& directory, const NamedFile& file,
                     const checkpoint::FileFacts& present) const;

  const KnownSources& sources_;
  const int64_t alive_ns_;
  const Clock& clock_;
};

}  // namespace longshore::agent
