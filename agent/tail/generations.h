// The files of one source that a tail holds open, in the order of the stream: from the one of its
// confirmed state on, so that a rewind can always read them again, deleted or not.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "agent/files/log_file.h"
#include "agent/link/messages.h"
#include "agent/tail/cursor.h"

namespace longshore::agent {

struct Generation {
  std::shared_ptr<const OpenFile> file;
  uint64_t start_offset = 0;    ///< Where to begin, for the first generation of a source.
  Step step = Step::kAdjacent;  ///< From its predecessor.
  bool given_up = false;        ///< Deleted, and over the budget of deleted files: not read on.
  bool truncated = false;       ///< Its predecessor is a copy of the log, which was truncated then.
};

/// Thread: its lane's.
class Generations {
 public:
  explicit Generations(const Cursor& cursor) : cursor_(cursor) {}

  /// A file that was closed already is not added. One that is known takes the new descriptor.
  void add(std::shared_ptr<const OpenFile> file, uint64_t start_offset, Step step);
  /// Puts copies of the current file, which was truncated, before it.
  void insert_copies(std::vector<std::shared_ptr<const OpenFile>> copies);
  void give_up(const checkpoint::FileIdentity& identity);
  /// It turned out to hold nothing that is not read. REQUIRES: the cursor is not in it.
  void drop(const checkpoint::FileIdentity& identity);

  const std::vector<Generation>& files() const { return files_; }
  bool empty() const { return files_.empty(); }
  const Generation& first() const { return files_.front(); }
  const Generation& last() const { return files_.back(); }
  /// Null: it is not open.
  const Generation* find(const checkpoint::FileIdentity& identity) const;
  /// The one at the cursor; null: it is not open (any more).
  const Generation* current() const;
  /// Whether the stream goes on in another file.
  bool has_next() const { return !empty() && files_.back().file->identity != cursor_.file(); }
  /// The one after the current, or the first that there is. REQUIRES: has_next().
  const Generation& next() const;
  /// Whether one that was not read yet is compressed.
  bool has_packed_next() const;
  /// Whether next() was read before under another identity, as a copy that was made of it: the
  /// log's own file is older than its copies.
  bool next_is_truncated() const;
  bool holds_deleted() const;

  /// Lets go of the files before that of `state`, which is durable on both sides. False: its file
  /// is not open.
  bool confirmed(const checkpoint::SourceState& state);
  /// Lets go of those that a state turned out to have closed.
  void drop_closed();

 private:
  std::vector<Generation>::iterator where(const checkpoint::FileIdentity& identity);

  const Cursor& cursor_;
  std::vector<Generation> files_;
};

}  // namespace longshore::agent
